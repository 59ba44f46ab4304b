"""Simulated devices and the transports that carry their rows: truth and arrival of every row."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

START_NS = 10**13


@dataclasses.dataclass(frozen=True)
class Device:
    """A regularly sampled device and its transport.

    Attributes:
        rate_hz: nominal.
        ppm: its drift is uniform in +- so much.
        off_ppm: added to it: a nominal rate that is wrong.
        wander: of its drift, random walk, ppm per root second.
        breathing_ppm: of its drift, a sine of five minutes, as by an air conditioner.
        jitter_ms: mean of the exponential delay.
        lump_ms: rows are delivered together, each so often; 0: singly.
        jitter: of each row before it waits for its lump, or of each lump.
        loss: share of rows that never arrive; their numbers are missing.
        bursts: in five of thirty seconds the jitter is five times larger.
        stalls: how often nothing arrives for 0.1 to 2 s, and then all at once.
        least_ms: least delay.
    """

    rate_hz: float = 200.0
    ppm: float = 100.0
    off_ppm: float = 0.0
    wander: float = 0.0
    breathing_ppm: float = 0.0
    jitter_ms: float = 4.0
    lump_ms: float = 16.0
    jitter: Literal["row", "lump"] = "row"
    loss: float = 0.02
    bursts: bool = False
    stalls: int = 0
    least_ms: float = 2.0


@dataclasses.dataclass(frozen=True)
class Rows:
    """What arrived: numbers (N,), instant of capture plus the least delay (N,) and arrival (N,), ns."""

    seq: NDArray[np.uint64]
    truth: NDArray[np.int64]
    arrival: NDArray[np.int64]

    def deliveries(self) -> list[slice]:
        """Return the rows that arrive together, as a driver would hand them on."""
        cuts = np.concatenate(([0], np.flatnonzero(np.diff(self.arrival)) + 1, [len(self.seq)])).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(cuts)]


def simulate(device: Device, seconds: float, seed: int) -> Rows:
    """Draw one run."""
    rng = np.random.default_rng(seed)
    n = int(seconds * device.rate_hz)
    at = np.arange(n) / device.rate_hz
    ppm = device.off_ppm + rng.uniform(-device.ppm, device.ppm)
    drift = ppm + device.wander * np.cumsum(rng.normal(0, 1 / np.sqrt(device.rate_hz), n))
    drift = drift + device.breathing_ppm * np.sin(2 * np.pi * at / 300 + rng.uniform(0, 2 * np.pi))
    truth = START_NS + rng.uniform(0, 1e9) + np.cumsum((1 + drift * 1e-6) * 1e9 / device.rate_hz)
    lump, phase = device.lump_ms * 1e6, rng.uniform(0, max(device.lump_ms, 1e-9)) * 1e6

    def lumped(when: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ceil((when - phase) / lump) * lump + phase if lump else when

    if device.jitter == "row":
        arrival = lumped(np.maximum.accumulate(truth + _jitter(device, truth, rng)))
    else:
        lumps, of = np.unique(lumped(truth), return_inverse=True)
        arrival = np.maximum.accumulate(lumps + _jitter(device, lumps, rng))[of]
    for _ in range(device.stalls):
        begin, length = arrival[rng.integers(n)], rng.uniform(0.1, 2.0) * 1e9
        arrival = np.where((arrival >= begin) & (arrival < begin + length), begin + length, arrival)
    kept = rng.random(n) >= device.loss
    least = device.least_ms * 1e6
    return Rows(
        seq=np.flatnonzero(kept).astype(np.uint64),
        truth=np.rint(truth[kept] + least).astype(np.int64),
        arrival=(arrival[kept] + least).astype(np.int64),
    )


def _jitter(device: Device, when: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    scale = device.jitter_ms * 1e6
    busy = (when - when[0]) % 30e9 < 5e9
    return rng.exponential(scale, len(when)) * np.where(busy & device.bursts, 5.0, 1.0)
