"""Draw the pictures of ``docs/time.md`` from simulated clocks, whose truth is known.

python -m benchmarks.sync.figures --output docs/images
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.sync import simulated
from benchmarks.sync.conditions import CONDITIONS, Condition, clocks
from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.device import device_clock, smooth
from drivers.clock.host import HostClock

SEED = 3


def condition(name: str) -> Condition:
    """Return the condition of that name."""
    return next(one for one in CONDITIONS if one.name == name)


def draw_probes(seconds: float = 60.0) -> Figure:
    """Draw what single probes say of an offset, and what they say together."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for panel, name in zip(figure.subplots(1, 2), ("bad wireless", "asymmetry 10/2 ms"), strict=True):
        one = condition(name)
        rng = np.random.default_rng(SEED)
        both = clocks(one, rng, seconds)
        clock = HostClock(0, same=False)
        rows = []
        for chain in simulated.chains(one, both, rng, seconds, clock):
            clock.update(*(got[0] for got in chain))
            for (t0, t1, t2, t3), returned, _, _ in chain:
                true = both.session(returned) - both.host(returned)
                rows.append((returned / 1e9, (t1 - t0 - true) / 1e6, (t2 - t3 - true) / 1e6))
        at, above, below = np.array(rows).T
        panel.plot(at, above, "v", ms=3, c="C1", label="not above: t1 - t0")
        panel.plot(at, below, "^", ms=3, c="C0", label="not below: t2 - t3")
        panel.plot(at, (above + below) / 2, ".", ms=3, c="0.6", label="their mean, one probe's guess")
        panel.axhline(0, c="k", lw=1.2, label="truth")
        panel.set(title=name, xlabel="time [s]", ylabel="offset less the true one [ms]", ylim=(-32, 32))
    figure.axes[0].legend(fontsize="small", loc="lower right")
    return figure


def draw_host(seconds: float = 60.0) -> Figure:
    """Draw errors and bounds of host clocks under three conditions."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    names = ("bad wireless", "asymmetry 10/2 ms", "wireless, drift + wander")
    for panel, name in zip(figure.subplots(1, 3), names, strict=True):
        done = simulated.run(condition(name), SEED, seconds)
        panel.fill_between(
            done.at, -done.bound, done.bound, color="C0", alpha=0.2, lw=0, label="bound, online"
        )
        panel.plot(done.at, done.lsl, c="C3", lw=1, label="best round trip of a burst")
        panel.plot(done.at, done.error, c="C0", lw=1.5, label="Chorus, online")
        panel.plot(done.at, done.smoothed, c="C2", lw=1.5, label="Chorus, resync")
        panel.axhline(0, c="k", lw=0.8)
        panel.set(title=name, xlabel="time [s]", ylim=(-8, 8))
    figure.axes[0].set_ylabel("error of session time [ms]")
    figure.axes[0].legend(fontsize="x-small", loc="upper right")
    return figure


def draw_device(seconds: float = 40.0) -> Figure:
    """Draw an IMU of 200 Hz behind a serial adapter: arrivals, corrected times, bound."""
    rng = np.random.default_rng(SEED)
    info = StreamInfo(name="imu", kind="imu", shape=(6,), rate_hz=200.0, regular=True)
    seq = np.flatnonzero(rng.random(round(seconds * 200)) >= 0.02)
    taken = seq * 5e6 / (1 + 100e-6)
    late = np.maximum.accumulate(taken + 1e6 + rng.exponential(4e6, len(seq)))
    arrival = (np.ceil(late / 16e6) * 16e6).astype(np.int64)
    truth = taken + 1e6  # with the least delay, which no stamp shows
    online, bound = _live(info, seq.astype(np.uint64), arrival)
    offline, _ = smooth(seq.astype(np.uint64), arrival, np.full(len(seq), NO_TIME), info)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    whole, near = figure.subplots(1, 2)
    at = taken * 1e-9
    whole.plot(at, (arrival - truth) * 1e-6, ".", ms=2, c="0.6", label="arrival")
    near.fill_between(at, -bound * 1e-6, bound * 1e-6, color="C0", alpha=0.2, lw=0, label="bound, online")
    for panel in (whole, near):
        panel.plot(at, (online - truth) * 1e-6, c="C0", lw=1.5, label="corrected, online")
        panel.plot(at, (offline - truth) * 1e-6, c="C2", lw=1.5, label="corrected, resync")
        panel.axhline(0, c="k", lw=0.8)
        panel.set(xlabel="time [s]", ylabel="after capture and least delay [ms]")
        panel.legend(fontsize="small", loc="upper right")
    whole.set_title("IMU, 200 Hz, 4 ms jitter, lumps of 16 ms, 2 % lost")
    near.set(title="the same, nearer", ylim=(-4, 4))
    return figure


def _live(
    info: StreamInfo, seq: NDArray[np.uint64], arrival: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Correct rows lump by lump, as a driver gets them."""
    clock, parts = device_clock(info), []
    cuts = [0, *(np.flatnonzero(np.diff(arrival)) + 1).tolist(), len(arrival)]
    for start, stop in itertools.pairwise(cuts):
        part = slice(start, stop)
        none = np.full(stop - start, NO_TIME)
        parts.append(clock.correct(Samples(np.zeros((stop - start, 6)), arrival[part], none, seq[part])))
    return np.concatenate([time for time, _ in parts]), np.concatenate([bound for _, bound in parts])


def save(figure: Figure, path: Path) -> None:
    """Write a picture, with no date or version in it, so that the same figure is the same file."""
    for axes in figure.axes:
        assert isinstance(axes, Axes)
        axes.grid(visible=True, lw=0.3)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    print(path)


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    save(draw_probes(), output / "probes.png")
    save(draw_host(), output / "host_clock.png")
    save(draw_device(), output / "device_clock.png")


if __name__ == "__main__":
    main()
