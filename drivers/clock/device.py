"""The clock inside a device, seen from its host.

A bound given here is relative to the device's least delay. A constant delay (exposure, a serial
line's speed, a sound card's buffer) cannot be seen from arrivals: ``latency_ms`` in the rig takes
it off.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.envelope import SETTLED, Line, envelope_line

BUCKET_NS = 250_000_000  # the lowest arrival of each quarter second counts
WINDOW = 240  # buckets, one minute: longer, and a warming crystal is no line any more
STEP_BUCKETS = 6  # arrivals late for so many buckets in a row are a step, not a delay
STEP_NS = 3e6  # the least step worth a new segment
ABSURD_NS = 60e9  # no time is corrected by more: it would be a wrong number, not a delay
TOLERANCE = 0.03  # of a sensor's rate; beyond that its nominal rate is wrong
HOST_TOLERANCE = 0.002  # of a clock that counts nanoseconds
SANE_PACE = 0.02  # a device clock that runs off by more is none (a film played at another pace)

EXACT = "time_host_bound_ns"
"""Key of ``StreamInfo.properties``: the driver vouches for its ``time_host``, to so many ns."""

Times = tuple[NDArray[np.int64], NDArray[np.int64]]


class Clock(Protocol):
    """Corrects the raw times of one stream, in the order they come."""

    def correct(self, samples: Samples) -> Times:
        """Return host time of capture (N,), never falling, and a bound on its error (N,), ns."""
        ...


class _Segment:
    """One stretch of a device's clock without steps: points, and the line under them."""

    def __init__(self, x: float, y: float, *, tolerance: float) -> None:
        self.tolerance = tolerance
        self.jitter = 0.0
        self.x: list[float] = []
        self.y: list[float] = []
        self.line = Line(x, y, 1.0, 0.0, tolerance)
        self._bucket = -math.inf  # start of the bucket that is filling, in x
        self._lowest = (x, y)
        self._late = 0
        self._grouped = 0.0  # share of rows that arrive together with their successor, smoothed
        self._pending = (0.0, -math.inf)  # the row seen last: above the line, arrival
        self._highest = 0.0  # above the line, of the last rows of groups, in the bucket that is filling
        self._dither: deque[float] = deque(maxlen=WINDOW)
        self._waits = 0.0  # median of the longest waits

    @property
    def settled(self) -> bool:
        return len(self.x) >= SETTLED

    def step_size(self, period: float) -> float:
        """Residuals beyond this are steps, ns."""
        return max(STEP_NS, 0.6 * period, 3 * self.line.spread)

    def add(self, x: NDArray[np.float64], y: NDArray[np.float64], bucket: float, period: float) -> bool:
        """Take in points; False where the clock stepped, so that a new segment must begin."""
        above = y - self.line(x)
        lowest = float(above.min())
        if lowest < -ABSURD_NS or (self.settled and lowest < -self.step_size(period)):
            return False
        if not self.settled:
            self.jitter = max(self.jitter, float(above.max()) - min(0.0, lowest))
        self._note_groups(above, y)
        if lowest < 0:
            self.line = self.line.lowered(-lowest)
        for one_x, one_y in zip(x.tolist(), y.tolist(), strict=True):
            if one_x - self._bucket >= bucket:
                if self._bucket > -math.inf and not self._close(period):
                    return False
                self._bucket, self._lowest = one_x, (one_x, one_y)
            elif one_y - one_x < self._lowest[1] - self._lowest[0]:
                self._lowest = (one_x, one_y)
        return True

    def _note_groups(self, above: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        # Whether the last row had company, the next call tells.
        above, y = np.concatenate(([self._pending[0]], above)), np.concatenate(([self._pending[1]], y))
        self._pending = float(above[-1]), float(y[-1])
        together, above = y[1:] == y[:-1], above[:-1]
        weight = 0.02 * len(above)
        self._grouped += weight / (1 + weight) * (float(together.mean()) - self._grouped)
        self._highest = max(self._highest, float(np.max(above[~together], initial=0.0)))

    def hidden(self, period: float) -> float:
        """How much of the least delay a steady polling may hide, ns.

        Rows that arrive in groups were polled. The last of a group has waited for less than a
        period; if those waits differ, the least of them is near 0, and if they are all alike, it
        can be anything up to a period. A quarter is held back, as other delays look like waits.
        """
        if self._grouped < 0.1:
            return 0.0
        return max(0.0, period - 0.75 * self._waits)

    def _close(self, period: float) -> bool:
        x, y = self._lowest
        self._dither.append(self._highest)
        self._waits = float(np.median(self._dither))
        self._highest = 0.0
        late = y - float(self.line(np.array([x]))[0])
        self._late = self._late + 1 if self.settled and late > self.step_size(period) else 0
        # Rows that were held up and come all at once are late too, but time does not pass meanwhile.
        if self._late >= STEP_BUCKETS and y - self.y[-STEP_BUCKETS + 1] > 0.5 * (
            x - self.x[-STEP_BUCKETS + 1]
        ):
            return False
        self.x.append(x)
        self.y.append(y)
        if len(self.x) > WINDOW:
            del self.x[0], self.y[0]
        # While arrivals may have stepped, they stay out of the line.
        keep = max(1, len(self.x) - self._late)
        jitter = self._waits if self.settled else self.jitter
        self.line = envelope_line(
            np.array(self.x[:keep]), np.array(self.y[:keep]), tolerance=self.tolerance, jitter=jitter
        )
        return True


class DeviceClock:
    """A regularly sampled device: its row number is its clock.

    A step (the device restarted, or rows vanished that no counter shows) begins a new segment.

    Args:
        rate_hz: nominal rate, rows per second.
        tolerance: largest departure of the true rate from it, of 1.
    """

    def __init__(self, rate_hz: float, *, tolerance: float = TOLERANCE) -> None:
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"a regular device needs a rate above 0 Hz, not {rate_hz}")
        self.rate_hz = rate_hz
        self.segments = 0
        """Stretches without a step so far."""
        self._period = 1e9 / rate_hz
        self._tolerance = tolerance
        self._segment: _Segment | None = None
        self._x0 = 0
        self._y0 = 0
        self._last_x = -1
        self._last: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the present segment has seen enough to be trusted."""
        return self._segment is not None and self._segment.settled

    @property
    def effective_hz(self) -> float:
        """The device's true rate as far as it is known, rows per second."""
        return self.rate_hz if self._segment is None else self.rate_hz / self._segment.line.slope

    def correct(self, samples: Samples) -> Times:
        """See :class:`Clock`."""
        return self.update(samples.time_host, samples.seq)

    def update(self, time_host: NDArray[np.int64], seq: NDArray[np.uint64]) -> Times:
        """Take in rows and correct them.

        Args:
            time_host: (N,) arrivals, ns.
            seq: (N,) row numbers.

        Returns:
            host time of capture plus the least delay (N,), rising, and a bound on its error (N,), ns.
        """
        return self.update_nominal(time_host, np.asarray(seq).astype(np.int64), self._period)

    def update_nominal(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        """As :meth:`update`, for any count of ``unit`` nominal ns each."""
        time_host = np.asarray(time_host, dtype=np.int64)
        if len(count) and (len(count) == 1 or bool((count[1:] > count[:-1]).all())):
            return self._correct(time_host, count, unit)
        out = np.empty(len(time_host), np.int64)
        bound = np.empty(len(time_host), np.int64)
        start = 0
        for stop in [*(np.flatnonzero(np.diff(count) <= 0) + 1).tolist(), len(count)]:
            if stop > start:
                piece = slice(start, stop)
                out[piece], bound[piece] = self._correct(time_host[piece], count[piece], unit)
            start = stop
        return out, bound

    def _correct(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        since = self._period  # nominal ns since the last row of the call before
        if self._segment is None or count[0] <= self._last_x:
            self._begin(int(count[0]), int(time_host[0]))
        else:
            since = min((int(count[0]) - self._last_x) * unit, ABSURD_NS)
        self._last_x = int(count[-1])
        x = ((count - self._x0) * unit).astype(np.float64)
        y = (time_host - self._y0).astype(np.float64)
        assert self._segment is not None
        bucket = max(BUCKET_NS, 2 * self._period)
        if not self._segment.add(x, y, bucket, self._period):
            self._begin(int(count[0]), int(time_host[0]))
            x = ((count - self._x0) * unit).astype(np.float64)
            y = (time_host - self._y0).astype(np.float64)
            self._segment.add(x, y, bucket, self._period)
        line = self._segment.line
        ideal = np.clip(line(x), y - ABSURD_NS, y + ABSURD_NS)
        error = np.minimum(line.bound(x) + self._segment.hidden(self._period), 2 * ABSURD_NS)
        if not self._segment.settled:  # the first arrivals may all have been late
            error = error + self._segment.jitter + self._period
        rising = self._rise(ideal, x, since)
        return rising, np.ceil(error + np.abs(rising - self._y0 - ideal)).astype(np.int64)

    def _begin(self, count: int, time_host: int) -> None:
        self.segments += 1
        self._x0, self._y0 = count, time_host
        self._segment = _Segment(0.0, 0.0, tolerance=self._tolerance)

    def _rise(self, ideal: NDArray[np.float64], x: NDArray[np.float64], since: float) -> NDArray[np.int64]:
        """Where the line moved back, let time pass at half pace until it is met, never backwards."""
        times = np.rint(ideal).astype(np.int64) + self._y0
        if self._last is not None and times[0] <= self._last:
            half = np.rint(np.minimum(x - x[0], ABSURD_NS) / 2).astype(np.int64)
            half += self._last + 1 + int(since) // 2
            times = np.maximum(times, half)
        if len(times) > 1 and bool((times[1:] <= times[:-1]).any()):
            times = np.maximum.accumulate(times - np.arange(len(times))) + np.arange(len(times))
        self._last = int(times[-1])
        return times


class ArrivalClock:
    """A device without a steady rate, such as a camera.

    Where it stamps its rows by a clock of its own that keeps pace with the host's, that clock is
    mapped to the host's; otherwise the arrival is the time, with one period as the bound.

    Args:
        rate_hz: nominal rate, or 0 where there is none.
    """

    def __init__(self, rate_hz: float = 0.0) -> None:
        self._period = 1e9 / rate_hz if rate_hz > 0 else 50e6
        self._mapping: DeviceClock | None = None
        self._first: tuple[int, int] | None = None
        self._last_device = 0
        self._last: int | None = None

    def correct(self, samples: Samples) -> Times:
        """See :class:`Clock`."""
        return self.update(samples.time_host, samples.time_device)

    def update(self, time_host: NDArray[np.int64], time_device: NDArray[np.int64]) -> Times:
        """Take in rows and correct them.

        Args:
            time_host: (N,) arrivals, ns.
            time_device: (N,) the device's own stamps, ns, or NO_TIME.

        Returns:
            host time (N,), rising, and a bound on its error (N,), ns.
        """
        times = np.asarray(time_host, dtype=np.int64)
        bound = np.full(len(times), int(self._period), np.int64)
        if len(times) and self._mapped(times, time_device):
            assert self._mapping is not None
            mapped, error = self._mapping.update_nominal(times, time_device, 1.0)
            if self._keeps_pace(times, time_device) and self._mapping.settled:
                times, bound = mapped, error
        rising = self._rise(times)
        return rising, bound + np.abs(rising - times)

    def _mapped(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        if np.any(time_device == NO_TIME) or np.any(np.diff(time_device) <= 0):
            self._first = None
            return False
        if self._first is None or int(time_device[0]) <= self._last_device:
            self._first = int(times[0]), int(time_device[0])
            self._mapping = DeviceClock(1e9 / self._period, tolerance=HOST_TOLERANCE)
        self._last_device = int(time_device[-1])
        return True

    def _keeps_pace(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        assert self._first is not None
        host, device = int(times[-1]) - self._first[0], int(time_device[-1]) - self._first[1]
        return host > 10**9 and abs(device / host - 1) < SANE_PACE

    def _rise(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = np.arange(len(times))
        if self._last is not None:
            times = np.maximum(times, self._last + 1 + steps)
        times = np.maximum.accumulate(times - steps) + steps  # rising by 1 ns at least
        if len(times):
            self._last = int(times[-1])
        return times


class ExactClock:
    """A source whose arrival times are true: a simulator, a file played at its own pace.

    Args:
        bound_ns: what the source vouches for, ns.
    """

    def __init__(self, bound_ns: int) -> None:
        self._bound_ns = max(0, bound_ns)

    def correct(self, samples: Samples) -> Times:
        """See :class:`Clock`."""
        times = np.asarray(samples.time_host, dtype=np.int64)
        return times, np.full(len(times), self._bound_ns, np.int64)


def device_clock(info: StreamInfo) -> Clock:
    """Return the clock model that suits a stream."""
    exact: Any = info.properties.get(EXACT)
    if exact is not None and exact.isascii() and exact.isdigit():
        return ExactClock(int(exact[:18]))
    if info.regular and info.rate_hz > 0:
        return DeviceClock(info.rate_hz)
    return ArrivalClock(info.rate_hz)


def smooth(
    seq: NDArray[np.uint64],
    time_host: NDArray[np.int64],
    time_device: NDArray[np.int64],
    info: StreamInfo,
) -> Times:
    """Correct the raw times of a whole stream at once.

    Args:
        seq: (N,) number of the first row of each stamp.
        time_host: (N,) arrivals, host monotonic ns.
        time_device: (N,) the device's own stamps, ns, or NO_TIME.
        info: the stream; see :func:`device_clock`.

    Returns:
        host time of capture (N,), rising, and a bound on its error (N,), ns.
    """
    return device_clock(info).correct(Samples((b"",) * len(seq), time_host, time_device, seq))
