"""The parameters of the virtual pose network from measured key points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fusion.observed import FIRST_STOP, Measured, Observed
from fusion.skeletons import BODY20
from fusion.virtual.noise import COLUMNS, CONDITIONS

Array = NDArray[np.float64]

_LOG_RAYLEIGH = 0.058, 0.641
"""Mean and standard deviation of the log of a length of two unit normal numbers."""
_SIDES = ("left_", "right_")
LIMBS = [
    [BODY20.index(side + joint) for joint in joints]
    for side in _SIDES
    for joints in (("elbow", "wrist", "hand"), ("knee", "ankle", "foot"))
]
FAST_S = 0.03
"""Correlation time of the fast part of errors, s."""
LOST = 0.06
"""Mean error of a limb's joints, box sizes, above which the limb counts as lost."""


def fit(people: list[Measured], worse: dict[str, Observed]) -> dict[str, Any]:
    """Return the parameters as :class:`fusion.virtual.noise.KeypointNoise` has them, and print them.

    Args:
        people: against their reference.
        worse: the first person in pictures made darker or blurred, by the change's name; effects of changes
            that are not there are zero.
    """
    told = np.concatenate([p.seen.told.reshape(-1, 20, 3) for p in people])
    length = np.concatenate([np.linalg.norm(p.error, axis=-1).reshape(-1, 20) for p in people])
    hidden = np.concatenate([p.hidden.reshape(-1, 20) for p in people])
    speed = np.concatenate([p.speed.reshape(-1, 20) for p in people]).clip(max=6.0)
    log_error = np.log(length + 1e-5) - _LOG_RAYLEIGH[0]
    lost = np.concatenate([_lost_limbs(p).reshape(-1, 20) for p in people])
    known = np.isfinite(told).all(axis=-1) & np.isfinite(log_error)
    good = known & ~lost
    conditions = np.stack([hidden, speed], axis=-1)
    means, effects, rest = _linear(told, conditions, good)
    spread = np.array([np.std(rest[..., k][good]) for k in range(3)])
    signs = np.array([1.0, 1.0, -1.0])
    together = np.corrcoef((rest[good] * signs).T)
    alike = float(np.clip(np.mean(together[np.triu_indices(3, 1)]), 0.0, 0.95))
    error_means, error_effects, error_rest = _linear(
        log_error[..., None], np.concatenate([conditions, rest], axis=-1), good
    )
    follows = error_effects[0, 2:]
    gross = _gross(lost & known, told, log_error, conditions, (means, effects), (error_means, error_effects))
    tail = float(np.sqrt(max(np.var(error_rest[..., 0][good]) - _LOG_RAYLEIGH[1] ** 2, 0.01)))
    all_effects = {
        name: {"hidden": effects[k, 0], "speed": effects[k, 1], "blur": 0.0, "dark": 0.0}
        for k, name in enumerate(COLUMNS[:3])
    }
    all_effects["error"] = {
        "hidden": error_effects[0, 0],
        "speed": error_effects[0, 1],
        "blur": 0.0,
        "dark": 0.0,
    }
    lost_stop = 1.5
    if worse:
        lost_stop = _changes(people[0], worse, all_effects)
    scales = [_scale(p, means, effects, error_means, error_effects) for p in people]
    fast, error_s = _memory([p.error / s[..., None] for p, s in zip(people, scales, strict=True)], people)
    _, spread_s = _memory(_reshaped(rest, people), people)
    _, tail_s = _memory(_reshaped(error_rest, people), people)
    depth = _depth(people)
    mapping = {
        "source": "BlazePose (full) on the films of pose2sim, against the other views: "
        "python -m benchmarks.fusion.camera_noise",
        "joints": {
            name: {
                "score": means[j, 0], "peak": means[j, 1], "variance": means[j, 2],
                "error": error_means[j, 0], "depth_m": depth["joints"][j],
            }
            for j, name in enumerate(BODY20)
        },
        "effects": all_effects,
        "spread": dict(zip(COLUMNS[:3], spread.tolist(), strict=True)),
        "alike": alike,
        "spread_s": spread_s,
        "follows": dict(zip(COLUMNS[:3], follows.tolist(), strict=True)),
        "tail": tail,
        "tail_s": tail_s,
        "fast": fast,
        "fast_s": FAST_S,
        "error_s": error_s,
        "limb": _limbs([p.error / s[..., None] for p, s in zip(people, scales, strict=True)]),
        "depth_s": depth["memory"],
        "depth_hidden": depth["hidden"],
        "depth_gain": depth["gain"],
        "gross": gross,
        **_stretches("gross", [_lost_limbs(p)[..., [LIMBS[k][1] for k in range(4)]] for p in people]),
        **_stretches("swap", [p.reference.swapped[..., None] for p in people]),
        "lost": float(np.mean([np.isnan(p.seen.size).mean() for p in people[:1]])) + 0.002,
        "lost_stop": lost_stop,
    }  # fmt: skip
    mapping = _rounded(mapping)
    _print(mapping)
    return mapping


def _linear(values: Array, conditions: Array, good: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Fit values (R, 20, K) = mean of the joint + effects @ conditions (R, 20, C), robustly.

    Returns:
        means (20, K), effects (K, C) and the rest (R, 20, K).
    """
    rows, columns = values.shape[0], values.shape[-1]
    joint = np.broadcast_to(np.eye(20), (rows, 20, 20))
    design = np.concatenate([joint, np.nan_to_num(conditions)], axis=-1)[good]
    target = values[good]
    solution = np.zeros((design.shape[1], columns))
    for column in range(columns):
        weight = np.ones(len(target))
        for _ in range(8):  # Huber's weights
            w = np.sqrt(weight)[:, None]
            x = np.linalg.lstsq(design * w, target[:, column] * w[:, 0], rcond=None)[0]
            off = np.abs(target[:, column] - design @ x)
            weight = np.minimum(1.0, 2.0 * np.median(off) / np.maximum(off, 1e-9))
        solution[:, column] = x
    rest = np.full(values.shape, np.nan)
    rest[good] = target - design @ solution
    return solution[:20], solution[20:].T, rest


def _scale(p: Measured, means: Array, effects: Array, error_means: Array, error_effects: Array) -> Array:
    """Return the scale (V, T, 20) of the error that the model expects."""
    conditions = np.stack([p.hidden, p.speed.clip(max=6.0)], axis=-1)
    rest = p.seen.told - means - conditions @ effects.T
    return np.exp(error_means[:, 0] + np.concatenate([conditions, rest], axis=-1) @ error_effects[0])


def _reshaped(rest: Array, people: list[Measured]) -> list[Array]:
    out, at = [], 0
    for p in people:
        views, ticks = p.hidden.shape[:2]
        out.append(rest[at : at + views * ticks].reshape(views, ticks, 20, -1))
        at += views * ticks
    return out


def correlation(series: list[Array], lag: int, least: int = 10) -> float:
    """Return the autocorrelation at ``lag`` of series (V, T, ...) with NaN, large values clipped."""
    products, squares = 0.0, 0.0
    for x in series:
        limit = 3.0 * np.nanmedian(np.abs(x)) + 1e-12
        x = np.clip(x, -limit, limit)
        if x.shape[1] <= lag + least:
            continue
        a, b = x[:, : x.shape[1] - lag], x[:, lag:]
        both = np.isfinite(a) & np.isfinite(b)
        products += float((a[both] * b[both]).mean())
        squares += float(np.nanmean(x**2))
    return products / max(squares, 1e-12)


def _memory(series: list[Array], people: list[Measured]) -> tuple[float, float]:
    """Return the fast share and the correlation time of the rest, s, that fit the autocorrelation best."""
    rate = people[0].seen.rate_hz
    lags = np.array([1, 2, 3, 5, 8, 12, 18, 25])
    found = np.array([correlation(series, int(lag)) for lag in lags])
    best = (np.inf, 0.0, 0.1)
    for fast in np.linspace(0.0, 0.8, 41):
        for tau in np.geomspace(0.02, 2.0, 60):
            off = (1 - fast) * np.exp(-lags / rate / tau) + fast * np.exp(-lags / rate / FAST_S) - found
            best = min(best, (float(off @ off), float(fast), float(tau)))
    return best[1], best[2]


def _limbs(unit: list[Array]) -> dict[str, float]:
    out = {}
    order = (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
             ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"))  # fmt: skip
    for one, other in order:
        products = []
        for side in _SIDES:
            for u in unit:
                a = u[:, :, BODY20.index(side + one)].clip(-3, 3)
                b = u[:, :, BODY20.index(side + other)].clip(-3, 3)
                both = np.isfinite(a) & np.isfinite(b)
                size = np.sqrt((a[both] ** 2).mean() * (b[both] ** 2).mean())
                products.append((a[both] * b[both]).mean() / size)
        value = float(np.clip(np.mean(products), 0.0, 0.95))
        out |= {side + other: value for side in _SIDES}
    return out


def _depth(people: list[Measured]) -> dict[str, Any]:
    """Fit what is told of depth: how much of it, and how wrong."""
    true = [p.true[..., 2] - p.true[:, :, :1, 2] for p in people]
    right = [
        ~p.reference.swapped[..., None] & np.isfinite(p.seen.depth) & np.isfinite(t)
        for p, t in zip(people, true, strict=True)
    ]
    told = np.concatenate([p.seen.depth[g] for p, g in zip(people, right, strict=True)])
    real = np.concatenate([t[g] for t, g in zip(true, right, strict=True)])
    gain = float((told @ real) / (real @ real))
    off = [np.where(g, p.seen.depth - gain * t, np.nan) for p, t, g in zip(people, true, right, strict=True)]
    squares = [np.concatenate([o[..., j].ravel() for o in off]) ** 2 for j in range(20)]
    joints = [float(np.sqrt(np.nanmean(square))) for square in squares]
    relative = [o / np.maximum(joints, 1e-3) for o in off]
    flat = np.concatenate([r[..., 1:].ravel() for r in relative])
    hid = np.concatenate([p.hidden[..., 1:].ravel() for p in people])
    good = np.isfinite(flat)
    seen_rms = np.sqrt((flat[good & (hid < 0.3)] ** 2).mean())
    hidden_rms = np.sqrt((flat[good & (hid > 0.7)] ** 2).mean())
    _, memory = _memory([r[..., 1:] for r in relative], people)
    joints = [float(x * seen_rms) for x in joints]
    return {"gain": gain, "joints": joints, "hidden": float(hidden_rms / seen_rms), "memory": memory}


def _lost_limbs(p: Measured) -> NDArray[np.bool_]:
    """Return (V, T, 20), true where the joint is in a limb that is put somewhere else."""
    length = np.nan_to_num(np.linalg.norm(p.error, axis=-1))
    out = np.zeros(length.shape, bool)
    for joints in LIMBS:
        out[..., joints] = (length[..., joints].mean(axis=-1) > LOST)[..., None]
    return out


def _gross(
    lost: NDArray[np.bool_], told: Array, log_error: Array, conditions: Array,
    model: tuple[Array, Array], error_model: tuple[Array, Array],
) -> dict[str, float]:  # fmt: skip
    """Return the mean effect of losing a limb on each column, beyond what the model says."""
    if lost.sum() < 20:
        return {"score": -1.5, "peak": -1.0, "variance": 0.5, "error": 1.5}
    means, effects = model
    rest = told - means - conditions @ effects.T
    error_means, error_effects = error_model
    error_rest = log_error - error_means[:, 0] - conditions @ error_effects[0, :2]
    out = {name: float(rest[..., k][lost].mean()) for k, name in enumerate(COLUMNS[:3])}
    return out | {"error": float(error_rest[lost].mean())}


def _stretches(name: str, series: list[NDArray[np.bool_]]) -> dict[str, float]:
    """Return how often something is so, and for how long on average; (V, T, K) each, at 60 Hz."""
    share = sum(int(s.sum()) for s in series) / max(sum(s.size for s in series), 1)
    runs = []
    for s in series:
        for one in np.moveaxis(s, 1, -1).reshape(-1, s.shape[1]):
            edges = np.flatnonzero(np.diff(np.r_[0, one.astype(int), 0]))
            runs += (np.diff(edges)[::2] / 60.0).tolist()
    return {f"{name}_share": share, f"{name}_s": float(np.mean(runs)) if runs else 0.1}


def _changes(plain: Measured, worse: dict[str, Observed], effects: dict[str, dict[str, float]]) -> float:
    """Set the effects of blur and darkness; return the darkness at which half of the frames are lost."""
    right = plain.seen.keypoints - np.where(np.isfinite(plain.reference.error), plain.reference.error, np.nan)
    size = np.nanmedian(plain.seen.size, axis=1, keepdims=True)
    base = np.linalg.norm(plain.reference.error, axis=-1) / size
    sums: dict[str, list[Array]] = {"dark": [], "blur": []}
    levels: dict[str, list[float]] = {"dark": [], "blur": []}
    lost, stops = [], []
    for name, observed in worse.items():
        kind, amount = name[:4], float(name[4:])
        level = (amount - FIRST_STOP) / 2 if kind == "dark" else amount / float(np.median(size))
        here = np.isfinite(observed.size[..., 0])
        if kind == "dark":
            lost.append(1.0 - here.mean())
            stops.append(level)
        off = np.linalg.norm(observed.keypoints - right, axis=-1) / size
        same = off.mean(axis=-1) < 0.1  # sides as in the plain picture, and the same person
        same &= ~plain.reference.swapped
        if same.mean() < 0.2:
            continue
        told = observed.told - plain.seen.told
        log = np.log(off + 1e-5) - np.log(base + 1e-5)
        if kind == "blur":  # what blur adds to the variance by itself is not an effect of the network
            v0 = np.exp(plain.seen.told[..., 2])
            told[..., 2] -= 0.5 * np.log(1.0 + level**2 / 12.0 / v0)
        rows = np.concatenate([told, log[..., None]], axis=-1)[same]
        sums[kind].append(np.nanmean(rows, axis=(0, 1)))
        levels[kind].append(level)
    for kind, values in sums.items():
        if not values:
            continue
        x, y = np.array(levels[kind]), np.array(values)
        slope = (x[:, None] * y).sum(axis=0) / (x**2).sum()
        for k, column in enumerate(COLUMNS):
            effects[column][kind] = float(slope[k])
    # The curve 1 / (1 + exp(-6 (level - stop))) through the shares that were lost.
    if not stops:
        return 1.5
    grid = np.linspace(0.3, 3.0, 271)
    pairs = list(zip(stops, lost, strict=True))
    cost = [sum((1 / (1 + np.exp(-6 * (s - g))) - share) ** 2 for s, share in pairs) for g in grid]
    print("nobody found at", ", ".join(f"{2 * s + FIRST_STOP:.0f} stops: {share:.1%}" for s, share in pairs))
    return float(grid[int(np.argmin(cost))])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _rounded(item) for name, item in value.items()}
    return float(f"{float(value):.3g}") if isinstance(value, float | np.floating) else value


def _print(mapping: dict[str, Any]) -> None:
    print(f"\n{'joint':<16}{'score':>8}{'peak':>8}{'sd told':>9}{'error':>9}{'depth':>9}")
    for name, j in mapping["joints"].items():
        score, peak = (1 / (1 + np.exp(-j[k])) for k in ("score", "peak"))
        sd, error = np.exp(j["variance"] / 2), np.exp(j["error"])
        print(f"{name:<16}{score:>8.2f}{peak:>8.2f}{sd:>9.2%}{error:>9.2%}{j['depth_m']:>7.3f} m")
    print(f"\n{'effect on':<16}" + "".join(f"{c:>10}" for c in CONDITIONS))
    for column, values in mapping["effects"].items():
        print(f"{column:<16}" + "".join(f"{values[c]:>10.2f}" for c in CONDITIONS))
    for name, value in mapping.items():
        if name not in ("joints", "effects", "source"):
            print(f"{name}: {value}")
