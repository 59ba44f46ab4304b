"""Constant latencies found from claps, with the truth known; ``python -m benchmarks.sync.latency``.

Planted latencies of 5, 20 and 80 ms, in every order, between sound, IMUs and pictures; a virtual body claps
five times and walks on, in a street; the session file goes through what `chorus calibrate latency` runs.
Pictures are painted, coded as JPEG, and looked at by the front end ``markers``. Goals: 2 ms for
the IMUs, a quarter of a frame (8.3 ms at 30 fps) for pictures. Beside it, on the same data, what is
usually done: cross-correlation of envelopes, and the median difference to the nearest event.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.sync.street import PICTURE_HZ, Scene, make
from drivers.errors import RecordingError
from fusion.calibrate.hands import Hands, seen_in
from fusion.calibrate.latency import calibrate
from fusion.calibrate.meetings import meetings
from fusion.vision.base import front_end
from recordings.latency.compare import cross_modal, whole
from recordings.latency.streams import acceleration, mono, shock_events, sound_events
from recordings.reader import Recording, open_recording

Array = NDArray[np.float64]
Errors = dict[tuple[str, str], list[float]]

GOAL_MS = {"imu": 2.0, "picture": 250.0 / PICTURE_HZ}
ORDERS = tuple(itertools.permutations((5.0, 20.0, 80.0)))
STEP_S, REACH_S = 0.001, 0.3

SCENES: dict[str, tuple[str, Callable[[int, dict[str, float]], Scene]]] = {
    "street": ("five claps, 10 dB", lambda seed, late: Scene(seed, late)),
    "loud": ("five claps, 0 dB", lambda seed, late: Scene(seed, late, snr_db=0.0)),
    "missed": (
        "five claps, 10 dB; IMUs lack one, pictures another",
        lambda seed, late: Scene(seed, late, gaps=(1,), hidden=(3,)),
    ),
    "walking": (
        "five claps after much walking, IMUs at 100 Hz",
        lambda seed, late: Scene(
            seed,
            late,
            script=("walk", "clap", "march"),
            imus=(("left_forearm", 100.0), ("right_shin", 100.0)),
        ),
    ),
}
NONE = {
    "walk": ("stand", "walk", "wave"),
    "squat": ("stand", "squat", "reach", "walk"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="latencies from claps, with the truth known")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--first", type=int, default=300, help="number of the first seed")
    parser.add_argument("--scenes", nargs="*", default=[*SCENES, "none"])
    options = parser.parse_args()
    for name in options.scenes:
        if name == "none":
            _no_claps(options.seeds)
            continue
        title, scene = SCENES[name]
        errors: Errors = {}
        lost: dict[tuple[str, str], int] = {}
        inside: list[bool] = []
        spent = 0.0
        for seed in range(options.first, options.first + options.seeds):
            planted = dict(zip(("sound", "imu", "picture"), ORDERS[seed % len(ORDERS)], strict=True))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{name}_{seed}.h5"
                _, length = make(path, scene(seed, planted))
                begun = time.perf_counter()
                _measure(path, planted, errors, lost, inside)
                spent += (time.perf_counter() - begun) / length
        _table(f"{name}: {title}, {options.seeds} seeds", errors, lost)
        print(f"  95 % interval held the truth in {np.mean(inside):.0%} of {len(inside)} streams\n")


def _measure(
    path: Path,
    planted: dict[str, float],
    errors: Errors,
    lost: dict[tuple[str, str], int],
    inside: list[bool],
) -> None:
    with open_recording(path) as recording:
        kinds = {
            name: "picture" if s.info.kind == "camera" else "imu" for name, s in recording.streams.items()
        }
        del kinds["microphone"]
        result = calibrate(recording)
        others = _baselines(recording)
        for name, kind in kinds.items():
            truth = planted[kind] - planted["sound"]
            label = f"{kind} ({name})" if kind == "imu" else kind
            late = result.found.get(name)
            if late is not None:
                inside.append(abs(late.latency_ms - truth) <= late.uncertainty_ms)
            found = {"chorus": None if late is None else late.latency_ms}
            found |= {method: values.get(name) for method, values in others.items()}
            for method, value in found.items():
                key = (label, method)
                errors.setdefault(key, [])
                if value is None:
                    lost[key] = lost.get(key, 0) + 1
                else:
                    errors[key].append(value - truth)


def _table(title: str, errors: Errors, lost: dict[tuple[str, str], int]) -> None:
    print(title)
    print(
        f"  {'stream':<20} {'method':<18} {'median |error|':>15} {'max':>10} {'within goal':>12}"
        f" {'not found':>10}"
    )
    for (label, method), values in sorted(errors.items()):
        goal = GOAL_MS[label.split()[0]]
        away = np.abs(values) if values else np.array([np.nan])
        print(
            f"  {label:<20} {method:<18} {np.median(away):>12.2f} ms {away.max():>7.2f} ms "
            f"{np.mean(away <= goal):>11.0%} {lost.get((label, method), 0):>10}"
        )


def _no_claps(seeds: int) -> None:
    """Count how often something is found where nobody claps; steps that an arm feels may still tell."""
    refused, found, agreed = 0, [], 0
    for number, script in enumerate(NONE.values()):
        for seed in range(seeds):
            planted = dict(zip(("sound", "imu", "picture"), ORDERS[seed % len(ORDERS)], strict=True))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "none.h5"
                make(path, Scene(100 + seed + 50 * number, planted, script=script, five=False))
                with open_recording(path) as recording:
                    agreed += bool(cross_modal(recording))
                    try:
                        for name, late in calibrate(recording).found.items():
                            kind = "picture" if name == "camera" else "imu"
                            error = late.latency_ms - planted[kind] + planted["sound"]
                            found.append(f"{name} by {late.events} steps, error {error:.2f} ms")
                    except RecordingError:
                        refused += 1
    print(f"none: nobody claps, {seeds * len(NONE)} sessions of walking, waving, squatting in a street")
    print(f"  refused {refused}; found all the same: {', '.join(found) or 'nothing'}")
    print(f"  cross_modal found something in {agreed}\n")


def _baselines(recording: Recording) -> dict[str, dict[str, float | None]]:
    """Return the latencies that the usual ways give, ms, by method and stream."""
    span = whole(recording)
    grid = np.arange(span[0], span[1], STEP_S * 1e9) * 1e-9
    heard = recording.streams["microphone"]
    rate = heard.info.rate_hz
    sound = mono(heard.data[:])
    block = round(rate * STEP_S)
    level = np.sqrt((sound[: len(sound) // block * block].reshape(-1, block) ** 2).mean(axis=1))
    begun = float(heard.stamps["time"][0]) * 1e-9
    envelope = np.interp(grid, begun + (np.arange(len(level)) + 0.5) * STEP_S, level, 0.0, 0.0)
    events = sound_events(heard, span).time
    correlated: dict[str, float | None] = {}
    nearest: dict[str, float | None] = {}
    for name, stream in recording.streams.items():
        if stream.info.kind == "imu":
            t, force = acceleration(stream, span)
            away = np.abs(np.linalg.norm(force, axis=1) - 9.80665)
            correlated[name] = _correlate(envelope, np.interp(grid, t, away))
            nearest[name] = _nearest(events, shock_events(stream, span).time)
        elif stream.info.kind == "camera":
            with front_end("markers") as eyes:
                hands = seen_in(stream, eyes, span)
            between = np.linalg.norm(hands.left - hands.right, axis=1)
            seen = np.isfinite(between)
            if seen.sum() < 2:
                continue
            closed = between[seen].max() - between[seen]
            correlated[name] = _correlate(envelope, np.interp(grid, hands.time[seen], closed))
            nearest[name] = _nearest(events, _met(hands))
    return {"cross-correlation": correlated, "nearest event": nearest}


def _met(hands: Hands) -> Array:
    return meetings(hands.time, hands.left - hands.right).time


def _correlate(a: Array, b: Array) -> float:
    """Return the lag, ms, at which b follows a most closely."""
    a, b = a - a.mean(), b - b.mean()
    size = 1 << (2 * len(a)).bit_length()
    product = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)
    reach = round(REACH_S / STEP_S)
    lags = np.arange(-reach, reach + 1)
    return float(lags[product[lags].argmax()]) * STEP_S * 1e3


def _nearest(events: Array, others: Array) -> float | None:
    """Return the median difference, ms, of each event of the other stream to the nearest heard."""
    if not len(events) or not len(others):
        return None
    differences = others - events[np.abs(others[:, None] - events).argmin(axis=1)]
    return float(np.median(differences[np.abs(differences) <= REACH_S])) * 1e3


if __name__ == "__main__":
    main()
