"""The one loop that runs every driver.

::

    open ─> announce ─> [ read ─> device clock ─> host clock ─> publish ] ─> close ─> end
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, Driver, EndOfStream, Samples, StreamInfo
from drivers.bus.messages import Ended, Event, Failed
from drivers.bus.publisher import Publisher
from drivers.camera.model import CameraModel, properties_of
from drivers.clock.device import Clock, device_clock
from drivers.clock.host import HostClock
from drivers.count import RowCount
from drivers.errors import ChorusError, ConfigError, DeviceError, Fault

log = logging.getLogger(__name__)

READ_S = 0.1
"""Longest wait of one read: how fast a driver obeys a stop."""


class Stamper:
    """Gives rows their corrected session times.

    Args:
        info: the stream.
        host_clock: this host's clock -> session.
        latency_ms: constant delay of the device, ms, taken off.
    """

    def __init__(self, info: StreamInfo, host_clock: HostClock, latency_ms: float = 0.0) -> None:
        self._device: Clock = device_clock(info)
        self._host = host_clock
        self._latency_ns = round(latency_ms * 1e6)
        self._last: int | None = None

    def __call__(self, samples: Samples) -> NDArray[Any]:
        """Return the stamps (N,) of :data:`drivers.base.STAMP`; ``time`` always rises."""
        stamps = np.empty(len(samples.time_host), STAMP)
        if not len(stamps):
            return stamps
        host, bound = self._device.correct(samples)
        time, more = self._host.to_session(host)
        bound += more
        if self._latency_ns:
            time -= self._latency_ns
        # Each new probe moves the estimate a little; time must not run back for that.
        fresh = self._last is None or int(time[0]) > self._last
        if not fresh or (len(time) > 1 and not (time[1:] > time[:-1]).all()):
            steps = np.arange(len(time))
            floor = time if self._last is None else np.maximum(time, self._last + 1 + steps)
            rising = np.maximum.accumulate(floor - steps) + steps
            bound += rising - time
            time = rising
        self._last = int(time[-1])
        stamps["time"] = time
        stamps["time_bound"] = bound
        stamps["time_host"] = samples.time_host
        stamps["time_device"] = samples.time_device
        stamps["seq"] = samples.seq
        return stamps


def pump(
    driver: Driver[Any],
    publisher: Publisher,
    *,
    latency_ms: float = 0.0,
    worn_on: str = "",
    model: CameraModel | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ChorusError | None:
    """Run one driver until it ends, fails, or is told to stop (Ctrl-C in the main thread is such).

    Args:
        driver: closed; it is opened and closed here.
        publisher: of its stream, not yet announced; it is ended but not closed here.
        latency_ms: see :class:`Stamper`.
        worn_on: place on the body, where the driver does not say.
        model: what is known of the camera; announced with the stream.
        stop: asked after every read, besides the hub's own stop.

    Returns:
        the error that the driver failed with, published as well, or None.
    """
    count = RowCount()
    failure: ChorusError | None = None
    try:
        info = driver.open()
        info = _complete(info, publisher, worn_on)
        if model is not None:
            info = _calibrated(info, model)
        publisher.announce(info)
        _run(driver, info, publisher, Stamper(info, publisher.host_clock, latency_ms), count, stop)
    except KeyboardInterrupt:
        log.debug("%s stopped by Ctrl-C", publisher.stream)
    except ChorusError as error:
        failure = error
    except Exception as error:  # a driver is other people's code: it must not take anything down
        log.debug("%s failed", publisher.stream, exc_info=True)
        failure = DeviceError(
            publisher.stream,
            Fault.FAILED,
            f"its driver failed with {type(error).__name__}: {error}",
            mend="Report it to the driver's author",
        )
    finally:
        _close(driver, publisher.stream)
    if failure is not None:
        fault = failure.fault if isinstance(failure, DeviceError) else Fault.FAILED
        publisher.fail(Failed(publisher.stream, fault, str(failure)))
    publisher.end(Ended(publisher.stream, count.produced, dict(count.lost)))
    return failure


def _complete(info: StreamInfo, publisher: Publisher, worn_on: str) -> StreamInfo:
    fields = {field: getattr(info, field) for field in info.__struct_fields__}
    fields["host"] = publisher.host
    fields["name"] = publisher.stream
    fields["worn_on"] = info.worn_on or worn_on
    return StreamInfo(**fields)


def _calibrated(info: StreamInfo, model: CameraModel) -> StreamInfo:
    """Return what a camera's stream says of itself, its calibration with it.

    Raises:
        DeviceError: it is no camera, or gives pictures of another shape than those it was calibrated with.
    """
    if info.kind != "camera":
        raise DeviceError(
            info.name,
            Fault.UNSUPPORTED,
            f"it is of kind {info.kind}, and only a camera has intrinsics",
            mend=f"Take 'intrinsics' out of streams.{info.name}",
        )
    try:
        fitting = model.scaled((info.shape[1], info.shape[0]))
    except ConfigError as error:
        raise DeviceError(info.name, Fault.UNSUPPORTED, error.what, mend=error.mend) from error
    return msgspec.structs.replace(info, properties=info.properties | properties_of(fitting))


def _run(
    driver: Driver[Any],
    info: StreamInfo,
    publisher: Publisher,
    stamper: Stamper,
    count: RowCount,
    stop: Callable[[], bool],
) -> None:
    while not (publisher.stop_requested or stop()):
        try:
            samples = driver.read(READ_S)
        except EndOfStream:
            _publish_events(driver, publisher)
            return
        if samples is not None and (len(samples) or samples.lost):
            batch = Batch(info.name, stamper(samples), samples.data, dict(samples.lost))
            publisher.publish(batch)
            count.add(samples, block=info.stamping == "block")
        _publish_events(driver, publisher)


def _publish_events(driver: Driver[Any], publisher: Publisher) -> None:
    for host_ns, kind, label in driver.events():
        time, _ = publisher.host_clock.to_session(int(host_ns))
        publisher.event(Event(time, kind, label, publisher.stream))


def _close(driver: Driver[Any], stream: str) -> None:
    try:
        driver.close()
    except Exception as error:
        log.warning("%s could not be closed: %s", stream, error)
