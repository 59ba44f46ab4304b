"""The 25 scenarios on UTD-MHAD, and their twin with noise by channel: each, by category, and in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from drivers.errors import ConfigError
from fusion.data.utd_mhad import UtdBatches, UtdMhadData, UtdTrials
from fusion.evaluate.intervals import wilson_interval
from fusion.evaluate.named import log_chances, score
from fusion.evaluate.scenarios import CATEGORIES, Scales, Scenario, corrupt, scenarios
from fusion.evaluate.sources import action_numbers, kind_of
from fusion.model.net import FusionNet
from recordings.importers.utd_mhad import ACTIONS, Trial, trials

SUITES: dict[str, bool] = {"as published": False, "noise by channel": True}
"""Name of each suite, and whether its noise is scaled by channel."""

Told = Callable[[str], None]


def run_suite(
    net: FusionNet,
    data: str,
    subjects: tuple[int, ...] = (),
    seed: int = 0,
    told: Told = lambda text: None,
) -> dict[str, Any]:
    """Return what ``net`` makes of each scenario.

    Args:
        net: trained on UTD-MHAD.
        data: folder or archive of UTD-MHAD.
        subjects: tested; by default those of the final test. Noise is scaled by the other training subjects.
        seed: of noise and losses.
        told: called with the name of each scenario.

    Raises:
        ConfigError: ``data`` is other data, or the network has other actions.
        DataError: it is malformed.
    """
    if kind_of(data) != "UTD-MHAD":
        raise ConfigError(f"--suite is defined for UTD-MHAD, and {data} is not", mend="Name its folder")
    usual = UtdMhadData(data)
    test = subjects or tuple(usual.subjects["test"])
    train = tuple(s for s in usual.subjects["train"] if s not in test)
    numbers = action_numbers(ACTIONS, net, "UTD-MHAD")
    known, probe = list(trials(data, train)), list(trials(data, test))
    suites: dict[str, Any] = {}
    for name, by_channel in SUITES.items():
        scales = Scales.of(known, by_channel)
        rows = []
        for scenario in scenarios():
            told(f"{name}: {scenario.name}")
            rows.append(_row(net, probe, scenario, scales, numbers, usual.rate_hz, seed))
        means = {
            category: float(np.mean([row["top1"] for row in rows if row["category"] == category]))
            for category in CATEGORIES
        }
        suites[name] = {
            "scenarios": rows,
            "categories": means,
            "mean_of_categories": float(np.mean([*means.values()])),
        }
    facts = {"test_subjects": list(test), "noise_scaled_by_subjects": list(train), "seed": seed}
    return {**facts, "windows": len(probe), "suites": suites}


def _row(
    net: FusionNet,
    probe: list[Trial],
    scenario: Scenario,
    scales: Scales,
    numbers: torch.Tensor,
    rate_hz: float,
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    changed = [corrupt(trial, scenario, scales, rng) for trial in probe]
    data = UtdTrials(
        [c.trial for c in changed], frames=[c.frames for c in changed], samples=[c.samples for c in changed]
    )
    batches = UtdBatches(data, rate_hz, None)
    order = data.samples.argsort().tolist()
    made = [batches(order[at : at + 32]) for at in range(0, len(order), 32)]
    guesses = log_chances(net, made).argmax(dim=-1)
    truth = numbers[data.action[order]]
    scores = score(scenario.name, guesses, truth, len(net.config.actions)).scores
    interval = list(wilson_interval(scores.hits, scores.count))
    named = {"name": scenario.name, "category": scenario.category}
    return {**named, "top1": scores.hits / scores.count, "interval95": interval, "hits": scores.hits}


def show_suite(found: dict[str, Any], console: Console) -> None:
    """Print the scenarios of both suites beside one another, and the means."""
    tested = ", ".join(map(str, found["test_subjects"]))
    table = Table("scenario", "category", *found["suites"])
    table.title = (
        f"{found['windows']} windows of subjects {tested}, seed {found['seed']}: top-1, 95 % interval"
    )
    for rows in zip(*(suite["scenarios"] for suite in found["suites"].values()), strict=True):
        cells = [
            f"{row['top1']:.1%}  {row['interval95'][0]:.1%} .. {row['interval95'][1]:.1%}" for row in rows
        ]
        table.add_row(rows[0]["name"], rows[0]["category"], *cells)
    table.add_section()
    for category in CATEGORIES:
        means = [f"{suite['categories'][category]:.1%}" for suite in found["suites"].values()]
        table.add_row(f"mean of {category}", "", *means)
    means = [f"{suite['mean_of_categories']:.1%}" for suite in found["suites"].values()]
    table.add_row("mean of the five categories", "", *means, style="bold")
    console.print(table)
