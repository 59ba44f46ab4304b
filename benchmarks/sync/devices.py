"""Device clocks, online and offline, beside pyxdf's dejitter; then three devices for half an hour.

    pip install chorus[bench]
    python -m benchmarks.sync.devices --seeds 10

Every condition is drawn anew for each seed, and every method gets the same rows. An error is that of
the corrected time against capture plus the least delay; ``shape`` is what is left of it without its
mean, which no stamp can tell and ``chorus calibrate latency`` finds. Online figures count from 10 s
(and, where it says so, from the first row). pyxdf fits a line to row indices, so that rows which were
lost bend it; ``line through numbers`` is the same least squares given the numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import types

import numpy as np
from numpy.typing import NDArray

from benchmarks.sync.arrivals import Device, Rows, simulate
from drivers.base import NO_TIME, StreamInfo
from drivers.clock.device import DeviceClock, smooth

SETTLED_S = 10.0

CONDITIONS: dict[str, tuple[Device, float]] = {
    "f: jitter, then 16 ms lumps": (Device(), 60),
    "f: 16 ms lumps, then jitter": (Device(jitter="lump"), 60),
    "the same for 10 minutes": (Device(), 600),
    "wandering 1 ppm/sqrt(s)": (Device(wander=1.0), 300),
    "breathing 10 ppm in 5 min": (Device(breathing_ppm=10.0), 300),
    "not lumped": (Device(lump_ms=0.0), 60),
    "bursts of jitter": (Device(bursts=True), 120),
    "five stalls of up to 2 s": (Device(stalls=5), 120),
    "nominal rate 1 % off": (Device(off_ppm=1e4), 60),
    "100 Hz, read each 4 ms": (Device(rate_hz=100, lump_ms=4.0, jitter_ms=1.0), 60),
}

THREE = (
    Device(wander=0.3, breathing_ppm=5.0),
    Device(rate_hz=100.0, lump_ms=0.0, jitter_ms=2.0, wander=0.3, breathing_ppm=5.0, bursts=True, stalls=5),
    Device(rate_hz=50.0, lump_ms=0.0, jitter_ms=1.0, wander=0.3, breathing_ppm=5.0, loss=0.0),
)
"""A serial IMU, an IMU by radio, and sound in blocks."""

Numbers = NDArray[np.float64]


@dataclasses.dataclass
class Result:
    """Figures of one run, ms; ``held``: share of rows whose bound contains the error."""

    rms: float
    p99: float
    rms_start: float
    p99_start: float
    offline: float
    pyxdf: float
    line: float
    held: float
    held_offline: float
    bound: float
    bound_first: float
    error: float
    error_first: float


def online(device: Device, rows: Rows) -> tuple[Numbers, Numbers]:
    """Return error and bound (N,) of the clock that runs in a driver, ms."""
    clock = DeviceClock(device.rate_hz)
    parts = [clock.update(rows.arrival[part], rows.seq[part]) for part in rows.deliveries()]
    times, bounds = (np.concatenate(column) for column in zip(*parts, strict=True))
    if np.any(np.diff(times) <= 0):
        raise AssertionError("corrected time ran backwards")
    return (times - rows.truth) / 1e6, bounds / 1e6


def offline(device: Device, rows: Rows) -> tuple[Numbers, Numbers]:
    """Return error and bound (N,) of the smoother, ms."""
    info = StreamInfo(name="device", kind="imu", rate_hz=device.rate_hz, regular=True)
    times, bounds = smooth(rows.seq, rows.arrival, np.full(len(rows.seq), NO_TIME), info)
    return (times - rows.truth) / 1e6, bounds / 1e6


def pyxdf_dejitter(device: Device, rows: Rows) -> Numbers:
    """Return the error (N,) of pyxdf's dejitter with its own defaults, ms."""
    import pyxdf.pyxdf

    base = int(rows.arrival[0])
    stream = types.SimpleNamespace(
        time_stamps=(rows.arrival - base) / 1e9,
        srate=device.rate_hz,
        tdiff=1 / device.rate_hz,
        segments=[],
        effective_srate=0.0,
    )
    pyxdf.pyxdf._jitter_removal({1: stream})
    return (stream.time_stamps * 1e9 - (rows.truth - base)) / 1e6


def line_through_numbers(rows: Rows) -> Numbers:
    """Return the error (N,) of a straight line through (number, arrival), ms."""
    x = rows.seq.astype(np.float64) - float(np.mean(rows.seq))
    y = (rows.arrival - rows.truth[0]).astype(np.float64)
    fitted = np.polyval(np.polyfit(x, y, 1), x)
    return (fitted - (rows.truth - rows.truth[0])) / 1e6


def measure(device: Device, seconds: float, seed: int) -> Result:
    """Run every method on one draw."""
    rows = simulate(device, seconds, seed)
    at = (rows.truth - rows.truth[0]) / 1e9
    late, first = at >= SETTLED_S, at < 1.0
    error, bound = online(device, rows)
    smoothed, smoothed_bound = offline(device, rows)
    shape = error - error[late].mean()
    return Result(
        rms=_rms(shape[late]),
        p99=float(np.quantile(np.abs(shape[late]), 0.99)),
        rms_start=_rms(shape),
        p99_start=float(np.quantile(np.abs(shape), 0.99)),
        offline=float(np.std(smoothed)),
        pyxdf=float(np.std(pyxdf_dejitter(device, rows))),
        line=float(np.std(line_through_numbers(rows))),
        held=float(np.mean(np.abs(error) <= bound)),
        held_offline=float(np.mean(np.abs(smoothed) <= smoothed_bound)),
        bound=float(np.median(bound[late])),
        bound_first=float(np.median(bound[first])),
        error=float(np.quantile(np.abs(error[late]), 0.95)),
        error_first=float(np.quantile(np.abs(error[first]), 0.95)),
    )


def align(seconds: float, seed: int, method: str) -> tuple[float, float]:
    """Return RMS and largest of the pairwise misalignment of three devices after 10 s, ms.

    Nothing is removed but the known least delays: what the clocks differ by is what fusion would see.
    """
    grid = np.arange(SETTLED_S, seconds - 1, 0.05)
    errors = []
    for k, device in enumerate(THREE):
        rows = simulate(device, seconds, 1000 * seed + k)
        error = (online if method == "online" else offline)(device, rows)[0]
        errors.append(np.interp(grid, (rows.truth - rows.truth[0]) / 1e9, error))
    pairs = [a - b for a, b in itertools.combinations(errors, 2)]
    return max(map(_rms, pairs)), max(float(np.abs(pair).max()) for pair in pairs)


def _rms(values: Numbers) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _median_max(values: list[float]) -> str:
    return f"{np.median(values):6.3f} {np.max(values):6.3f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=30.0, help="length of a run of three devices")
    parser.add_argument("--only", default="", help="conditions whose name contains this; 'three' for g")
    args = parser.parse_args()
    seeds = range(1, args.seeds + 1)
    for name, (device, seconds) in CONDITIONS.items():
        if args.only not in name:
            continue
        results = [measure(device, seconds, seed) for seed in seeds]

        def of(field: str, results: list[Result] = results) -> list[float]:
            return [getattr(result, field) for result in results]

        ratio = np.median(of("offline")) / np.median(of("pyxdf"))
        print(
            f"\n{name}  ({device.rate_hz:g} Hz, {seconds:g} s, {args.seeds} seeds; ms, median and worst seed)"
        )
        print(
            f"  online, shape after {SETTLED_S:g} s   RMS {_median_max(of('rms'))}"
            f"   p99 {_median_max(of('p99'))}"
        )
        print(
            f"  online, shape from the start RMS {_median_max(of('rms_start'))}"
            f"   p99 {_median_max(of('p99_start'))}"
        )
        print(f"  offline, shape               RMS {_median_max(of('offline'))}   {ratio:.4f} of pyxdf's")
        print(f"  pyxdf, shape                 RMS {_median_max(of('pyxdf'))}")
        print(f"  line through numbers, shape  RMS {_median_max(of('line'))}")
        print(
            f"  bound {np.median(of('bound')):.2f} (first second {np.median(of('bound_first')):.1f})"
            f" for an error (p95) of {np.median(of('error')):.2f}"
            f" (first second {np.median(of('error_first')):.1f});"
            f" holds for {100 * np.min(of('held')):.2f} % online,"
            f" {100 * np.min(of('held_offline')):.2f} % offline in the worst seed",
            flush=True,
        )
    if args.only not in "g: three devices":
        return
    print(f"\ng: three devices, {args.minutes:g} minutes: pairwise misalignment, ms, median and worst seed")
    for method in ("online", "offline"):
        runs = [align(args.minutes * 60, seed, method) for seed in seeds]
        rms, largest = (list(column) for column in zip(*runs, strict=True))
        print(f"  {method:8} RMS {_median_max(rms)}   largest {_median_max(largest)}", flush=True)


if __name__ == "__main__":
    main()
