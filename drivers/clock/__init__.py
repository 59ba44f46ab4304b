"""Clocks: which clock a host has, its offset from the session, and the clock inside a device.

::

    time_device ─┐
    seq ─────────┼─> DeviceClock ─> host monotonic time ─> HostClock ─> session time (+ bound)
    time_host ───┘
"""

from __future__ import annotations

from drivers.clock.device import ArrivalClock, DeviceClock, device_clock
from drivers.clock.host import HostClock, clock_identity

__all__ = ["ArrivalClock", "DeviceClock", "HostClock", "clock_identity", "device_clock"]
