"""A link to a Bluetooth LE device that notifies: bleak, in a thread of its own.

::

    find ─> connect ─> notify on ─> start commands ─> notifications ... ─> stop commands ─> disconnect

bleak lives on an event loop; a driver reads. The loop runs in a thread here, and what arrives waits in a
queue with its time of arrival.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import queue
import threading
import time
from typing import Any

from drivers.errors import DeviceError, Fault, MissingDependency

QUEUE = 10_000
"""Notifications kept while nobody reads: some 50 s of a fast sensor."""
CALL_S = 3.0
"""How long stop commands and a disconnect may take."""
NAMED = 8
"""Devices nearby that an error names."""


@dataclasses.dataclass(frozen=True)
class Write:
    """A command.

    Attributes:
        to: UUID of the characteristic.
        data: what is written.
        response: whether the device confirms.
    """

    to: str
    data: bytes
    response: bool = True


@dataclasses.dataclass(frozen=True)
class Target:
    """Which device, and what to do with it.

    Attributes:
        address: of the device (on macOS: its UUID there), or empty.
        name: that it advertises, where there is no address.
        notify: UUID of the characteristic that notifies.
        start, stop: written after notifications are on, and before they go off.
        connect_s: how long to look for the device and to connect, s.
    """

    address: str
    name: str
    notify: str
    start: tuple[Write, ...] = ()
    stop: tuple[Write, ...] = ()
    connect_s: float = 20.0

    def __str__(self) -> str:
        return f"'{self.name}'" if self.name else self.address


class BleLink:
    """A connection to one device.

    Args:
        stream: name of the stream, for errors.
        target: the device.
        client, scanner: further arguments of bleak's classes, such as ``backend``.

    Attributes:
        lost: the device is gone.
        overrun: notifications that came while the queue was full.
    """

    def __init__(
        self,
        stream: str,
        target: Target,
        client: dict[str, Any] | None = None,
        scanner: dict[str, Any] | None = None,
    ) -> None:
        self.stream, self.target = stream, target
        self._client_options, self._scanner_options = client or {}, scanner or {}
        self.lost = threading.Event()
        self.overrun = 0
        self._queue: queue.Queue[tuple[bytes, int] | None] = queue.Queue(QUEUE)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Any = None

    def open(self) -> None:
        """Find the device, connect and start it.

        Raises:
            MissingDependency: bleak is not installed.
            DeviceError: no adapter, no permission, no such device, or it refuses.
        """
        try:
            import bleak  # noqa: F401 - imported late: a rig is checked without it
        except ImportError as error:
            raise MissingDependency(
                f"{self.stream}: Bluetooth needs the Python package bleak, which is not installed",
                mend="pip install 'chorus-fusion[ble]'",
            ) from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"ble-{self.stream}", daemon=True)
        self._thread.start()
        try:
            self._call(self._connect(), self.target.connect_s + CALL_S)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise fault_of(self.stream, self.target, error) from error
            raise

    def take(self, timeout_s: float) -> list[tuple[bytes, int]]:
        """Return (notification, arrival in ns) of all that came; wait so long for the first."""
        got: list[tuple[bytes, int]] = []
        with contextlib.suppress(queue.Empty):
            item = self._queue.get(timeout=timeout_s)
            while True:
                if item is not None:
                    got.append(item)
                item = self._queue.get_nowait()
        return got

    def close(self) -> None:
        """Stop the device, disconnect and end the thread; can be called twice."""
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._disconnect(), loop).result(2 * CALL_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with contextlib.suppress(Exception):
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _call(self, work: Any, limit_s: float) -> None:
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result(limit_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    async def _connect(self) -> None:
        from bleak import BleakClient
        from bleak.exc import BleakError

        deadline = time.monotonic() + self.target.connect_s
        device = await self._find(self.target.connect_s)
        while True:
            rest = max(1.0, deadline - time.monotonic())
            self._client = BleakClient(
                device, disconnected_callback=self._on_lost, timeout=rest, **self._client_options
            )
            try:
                await self._client.connect()
                break
            except BleakError as error:  # another link is just being made, or the air was bad
                if time.monotonic() + 1.0 > deadline or fault_of(
                    self.stream, self.target, error
                ).fault not in (
                    Fault.FAILED,
                    Fault.BUSY,
                ):
                    raise
                await asyncio.sleep(0.5)
        await self._client.start_notify(self.target.notify, self._on_notification)
        for command in self.target.start:
            await self._client.write_gatt_char(command.to, command.data, response=command.response)

    async def _find(self, limit_s: float) -> Any:
        from bleak import BleakScanner

        address, name = self.target.address.lower(), self.target.name
        seen: dict[str, str] = {}
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def look(device: Any, advertised: Any) -> None:
            told = advertised.local_name or device.name or ""
            seen[device.address] = told
            if not found.done() and (device.address.lower() == address if address else told == name):
                found.set_result(device)

        async with BleakScanner(detection_callback=look, **self._scanner_options):
            try:
                return await asyncio.wait_for(found, limit_s)
            except TimeoutError:
                pass
        named = sorted(f"'{told}' ({place})" for place, told in seen.items() if told)[:NAMED]
        raise DeviceError(
            self.stream,
            Fault.NOT_FOUND,
            f"no Bluetooth device {self.target} was seen in {limit_s:g} s",
            mend="Switch it on, bring it near and disconnect it from phones; "
            + (
                f"devices seen: {', '.join(named)}"
                if named
                else f"{len(seen)} devices without a name were seen"
            ),
        )

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CALL_S):
                    for command in self.target.stop:
                        await client.write_gatt_char(command.to, command.data, response=command.response)
                    await client.stop_notify(self.target.notify)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CALL_S):
                await client.disconnect()

    def _on_notification(self, _: Any, data: bytearray) -> None:
        self._put((bytes(data), time.monotonic_ns()))

    def _on_lost(self, _: Any) -> None:
        self.lost.set()
        self._put(None)  # wakes the reader

    def _put(self, item: tuple[bytes, int] | None) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.overrun += item is not None


def fault_of(stream: str, target: Target, error: Exception) -> DeviceError:
    """Turn what bleak raises into a typed fault."""
    from bleak.exc import (
        BleakBluetoothNotAvailableError,
        BleakBluetoothNotAvailableReason,
        BleakCharacteristicNotFoundError,
        BleakDBusError,
        BleakDeviceNotFoundError,
    )

    if isinstance(error, DeviceError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, BleakBluetoothNotAvailableError):
        reason = error.reason
        if reason is BleakBluetoothNotAvailableReason.POWERED_OFF:
            return DeviceError(stream, Fault.NOT_FOUND, "Bluetooth is switched off", mend=POWER_ON)
        if reason.name.startswith("DENIED"):
            return DeviceError(stream, Fault.PERMISSION, "this program may not use Bluetooth", mend=ALLOW)
        return DeviceError(stream, Fault.NOT_FOUND, "there is no Bluetooth adapter", mend=ADAPTER)
    dbus = error.dbus_error if isinstance(error, BleakDBusError) else ""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError) or dbus.endswith(
        ("ServiceUnknown", "NameHasNoOwner")
    ):
        return DeviceError(stream, Fault.NOT_FOUND, "the Bluetooth service does not run", mend=SERVICE)
    if isinstance(error, PermissionError) or dbus.endswith(("AccessDenied", "NotAuthorized", "NotPermitted")):
        return DeviceError(stream, Fault.PERMISSION, "this program may not use Bluetooth", mend=ALLOW)
    if dbus.endswith("NotReady"):
        return DeviceError(stream, Fault.NOT_FOUND, "Bluetooth is switched off", mend=POWER_ON)
    if isinstance(error, BleakCharacteristicNotFoundError):
        return DeviceError(
            stream,
            Fault.UNSUPPORTED,
            f"{target} has no characteristic {error.char_specifier}",
            mend="Set the UUID that the maker's documentation gives; an app such as nRF Connect lists them",
        )
    if isinstance(error, BleakDeviceNotFoundError):
        return DeviceError(
            stream, Fault.NOT_FOUND, f"{target} is gone", mend="Switch it on and bring it near"
        )
    if isinstance(error, TimeoutError | asyncio.CancelledError) or dbus.endswith("InProgress"):
        return DeviceError(
            stream,
            Fault.BUSY,
            f"{target} does not accept a connection",
            mend="Disconnect it from phones and other programs, bring it near, and switch it off and on",
        )
    return DeviceError(
        stream,
        Fault.FAILED,
        f"{target} failed: {text[:200]}",
        mend="Switch the device off and on, and try again",
    )


POWER_ON = "Run 'rfkill unblock bluetooth', then 'bluetoothctl power on'"
ALLOW = "Run 'sudo usermod -aG bluetooth $USER', then log in again; on macOS allow it under Privacy"
ADAPTER = "Plug one in (any USB adapter of Bluetooth 4.0 or later); 'chorus doctor' tells when it is seen"
SERVICE = "Run 'sudo apt install bluez', then 'sudo systemctl enable --now bluetooth'"
