"""Real key points beside virtual ones of the same people from the same cameras: tables and a picture."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.fusion.fitting import correlation
from benchmarks.fusion.observed import Measured, Observed
from fusion.virtual.keypoints import PoseNetwork, Seeing
from fusion.virtual.noise import KeypointNoise
from fusion.virtual.smooth import derivatives

Array = NDArray[np.float64]

_REPEATS = 10
_LAGS = np.array([1, 2, 3, 5, 8, 12, 18, 25])


class Side(NamedTuple):
    """Errors (R, T, 20, 2) and standard deviations told (R, T, 20) in box sizes, scores (R, T, 20)."""

    error: Array
    told: Array
    score: Array


def compare(
    people: list[Measured], noise: KeypointNoise, jitter: dict[str, Observed]
) -> dict[str, tuple[Array, Array]]:
    """Print statistics of real against virtual key points and return them by name: (real, virtual)."""
    real = [
        Side(p.error, np.exp(p.seen.told[..., 2] / 2), 1 / (1 + np.exp(-p.seen.told[..., 0]))) for p in people
    ]
    virtual = [_virtual(p, noise) for p in people]
    out: dict[str, tuple[Array, Array]] = {}
    print(f"\n{'error, share of the box':<30}{'real':>10}{'virtual':>10}")
    lengths = [_flat([np.linalg.norm(s.error, axis=-1) for s in sides]) for sides in (real, virtual)]
    for q in (25, 50, 75, 90, 95, 99):
        print(
            f"{f'{q} % below':<30}{np.percentile(lengths[0], q):>10.2%}{np.percentile(lengths[1], q):>10.2%}"
        )
    out["length"] = (lengths[0], lengths[1])
    print(f"\n{'standard deviation told':<30}{'real error (median, RMS)':>28}{'virtual':>22}")
    edges = np.quantile(_flat([s.told for s in real]), np.linspace(0, 1, 7))
    rows = []
    for low, high in itertools.pairwise(edges):
        row = []
        for sides in (real, virtual):
            length = np.concatenate([np.linalg.norm(s.error, axis=-1).ravel() for s in sides])
            told = np.concatenate([s.told.ravel() for s in sides])
            part = length[np.isfinite(length) & (told >= low) & (told < high)]
            row += [np.median(part), np.sqrt(np.mean(part**2))] if len(part) else [np.nan, np.nan]
        rows.append([0.5 * (low + high), *row])
        print(f"{f'{low:.2%} to {high:.2%}':<30}{row[0]:>14.2%}{row[1]:>14.2%}{row[2]:>12.2%}{row[3]:>10.2%}")
    table = np.array(rows)
    out["told"] = (table[:, [0, 1, 2]], table[:, [0, 3, 4]])
    memory = [
        np.array([correlation([s.error for s in sides], int(lag)) for lag in _LAGS])
        for sides in (real, virtual)
    ]
    print("\nautocorrelation of the error  " + "".join(f"{lag / 60:>8.3f} s" for lag in _LAGS))
    for name, values in zip(("real", "virtual"), memory, strict=True):
        print(f"{name:<30}" + "".join(f"{v:>10.2f}" for v in values))
    out["memory"] = (memory[0], memory[1])
    print(
        f"\n{'jitter, share of the box':<30}{'median':>10}{'90 % below':>12}   (second difference / sqrt 6)"
    )
    jitters = [_jitter([s.error for s in sides]) for sides in (real, virtual)]
    for name, values in zip(("real", "virtual"), jitters, strict=True):
        print(f"{name:<30}{np.median(values):>10.2%}{np.percentile(values, 90):>12.2%}")
    for name, one in jitter.items():
        values = _jitter([one.keypoints / one.size[..., None]])
        print(f"{f'real, {name} at {one.rate_hz:.0f} Hz':<30}{np.median(values):>10.2%}"
              f"{np.percentile(values, 90):>12.2%}   (with its motion)")  # fmt: skip
    scores = [_flat([s.score for s in sides]) for sides in (real, virtual)]
    print(f"\n{'score':<30}" + "".join(f"{f'{q} %':>8}" for q in (2, 10, 25, 50, 75)))
    for name, values in zip(("real", "virtual"), scores, strict=True):
        print(f"{name:<30}" + "".join(f"{np.percentile(values, q):>8.2f}" for q in (2, 10, 25, 50, 75)))
    out["score"] = (scores[0], scores[1])
    return out


def _flat(parts: list[Array]) -> Array:
    values = np.concatenate([part.ravel() for part in parts])
    return values[np.isfinite(values)]


def _jitter(series: list[Array]) -> Array:
    return _flat([np.linalg.norm(np.diff(x, n=2, axis=1), axis=-1) / np.sqrt(6) for x in series])


def _virtual(p: Measured, noise: KeypointNoise) -> Side:
    """Let the virtual network look at the same people from the same places."""
    true = torch.from_numpy(p.true).float().repeat(_REPEATS, 1, 1, 1)
    hidden = torch.from_numpy(p.hidden).float().repeat(_REPEATS, 1, 1)
    places = true[..., :2] / true[..., 2:]
    size = (places.amax(dim=2) - places.amin(dim=2)).amax(dim=-1)
    _, velocity, _ = derivatives(places, p.seen.rate_hz)
    batch, ticks = size.shape
    seeing = Seeing(
        places=places,
        depth=true[..., 2] - true[..., :1, 2],
        hidden=hidden,
        outside=torch.zeros_like(hidden, dtype=torch.bool),
        velocity=velocity,
        size=size,
        dark=torch.zeros(batch, ticks),
        exposure_s=torch.zeros(batch),  # the films' own blur is in the effect of speed
        dt=torch.full((batch, ticks), 1.0 / p.seen.rate_hz),
    )
    found = PoseNetwork(noise)(seeing, torch.Generator().manual_seed(0))
    error = ((found.places - places) / size[..., None, None]).double().numpy()
    area = (found.variance[..., 0] * found.variance[..., 2] - found.variance[..., 1].square()).clamp(
        min=1e-18
    )
    told = (area.pow(0.25) / size[..., None]).double().numpy()
    # A view that did not find the person, or whose reference is missing, has no error: virtual ones neither.
    missing = np.tile(np.isnan(p.error).any(axis=-1), (_REPEATS, 1, 1))
    error[missing], told[missing] = np.nan, np.nan
    score = found.score.double().numpy()
    return Side(error, told, np.where(missing, np.nan, score))


def draw(numbers: dict[str, tuple[Array, Array]], path: Path) -> None:
    """Draw real against virtual."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    for which, name in enumerate(("BlazePose on films", "virtual")):
        style = {"color": ("tab:blue", "tab:orange")[which], "label": name}
        length = np.sort(numbers["length"][which])
        axes[0].plot(100 * length, 1 - np.arange(len(length)) / len(length), **style)
        table = numbers["told"][which]
        axes[1].plot(100 * table[:, 0], 100 * table[:, 1], "o-", **style)
        axes[1].plot(100 * table[:, 0], 100 * table[:, 2], "s--", color=style["color"])
        axes[2].plot(_LAGS / 60, numbers["memory"][which], "o-", **style)
        axes[3].hist(numbers["score"][which], np.linspace(0, 1, 41), density=True, histtype="step", **style)
    axes[0].set(
        xscale="log",
        yscale="log",
        xlabel="error, % of the box",
        ylabel="share above",
        xlim=(0.1, 50),
        ylim=(1e-3, 1),
    )
    axes[1].set(xlabel="standard deviation told, % of the box", ylabel="error, %: median and RMS (dashed)")
    axes[2].set(xlabel="lag, s", ylabel="autocorrelation of the error")
    axes[3].set(xlabel="score", ylabel="density", yscale="log")
    axes[0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
