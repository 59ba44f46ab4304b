"""The one loop that runs every driver.

::

    open ─> announce ─> [ read ─> device clock ─> host clock ─> publish ] ─> close ─> end
                           └─ failed ─> close ─> open again, until it is back ─┘

A device that was there and is gone (unplugged, silent, its driver in trouble) does not end its stream: the
stream goes on when it is back, and what it produced meanwhile is on the ledger as ``device_gap``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from drivers.base import Driver
from drivers.bus.messages import Ended, Failed
from drivers.bus.publisher import Publisher
from drivers.calibration import CalibrationFile
from drivers.errors import ChorusError
from drivers.running import Running, close, fault_of, typed

log = logging.getLogger(__name__)


def pump(
    driver: Driver[Any],
    publisher: Publisher,
    *,
    latency_ms: float = 0.0,
    worn_on: str = "",
    calibration: CalibrationFile | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ChorusError | None:
    """Run one driver until it ends or is told to stop (Ctrl-C in the main thread is such).

    A driver that cannot be opened, or fails before its first row, has failed. One that fails later is closed
    and opened again until it is back; only what it sends then may not differ in form.

    Args:
        driver: closed; it is opened and closed here.
        publisher: of its stream, not yet announced; it is ended but not closed here.
        latency_ms: see :class:`drivers.stamper.Stamper`.
        worn_on: place on the body, where the driver does not say.
        calibration: what was found of the device: becomes properties of the stream, the rows stay raw.
        stop: asked after every read, besides the hub's own stop.

    Returns:
        the error that the driver failed with, or that kept it away when all was stopped, published as well;
        or None.
    """
    running = Running(driver, publisher, latency_ms, worn_on, calibration, stop)
    failure: ChorusError | None = None
    try:
        running.run()
    except KeyboardInterrupt:
        log.debug("%s stopped by Ctrl-C", publisher.stream)
    except (Exception, SystemExit) as error:  # other people's code: it must not take anything down
        failure = typed(error, publisher.stream)
    finally:
        close(driver, publisher.stream)
    if failure is not None:
        publisher.fail(Failed(publisher.stream, fault_of(failure), str(failure)))
    publisher.end(Ended(publisher.stream, running.count.produced, dict(running.count.lost)))
    return failure
