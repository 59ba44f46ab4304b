"""Several people are rows of one batch: rows of the network's state come and go as they do.

::

    state = net.init_state(0)
    state = joined(state, net.init_state(1))     somebody came: the last row is theirs
    outputs, state = net.step(features, state)   features: a row for each, of the sensors assigned to them
    state = rows(state, [0, 2])                  the second one left

Each row has seen as many ticks as the person was there, so that a step of all is the same as a step of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fusion.model.net import NetState
from fusion.model.transformer import LayerState


def people(state: NetState) -> int:
    """Return how many rows a state has."""
    return len(state.value)


def rows(state: NetState, kept: Sequence[int]) -> NetState:
    """Return the state of the rows ``kept``, in their order; a number that comes twice is a copy.

    Raises:
        IndexError: there is no such row.
    """
    index = torch.tensor(list(kept), dtype=torch.int64, device=state.value.device)
    return _each([state], lambda parts: parts[0][index])


def joined(*states: NetState) -> NetState:
    """Return one state with the rows of all, those of the first one first.

    Raises:
        ValueError: there is none.
    """
    if not states:
        raise ValueError("expected states to join, received none")
    return _each(states, torch.cat)


def _each(states: Sequence[NetState], change: Callable[[list[Tensor]], Tensor]) -> NetState:
    def of(parts: Sequence[Tensor]) -> Tensor:
        return change(list(parts))

    seen = [state.seen.expand(people(state)) for state in states]
    layers = (zip(*found, strict=True) for found in zip(*(state.layers for state in states), strict=True))
    return NetState(
        layers=tuple(LayerState(*(of(parts) for parts in layer)) for layer in layers),
        sums=tuple(of(parts) for parts in zip(*(state.sums for state in states), strict=True)),
        value=of([state.value for state in states]),
        sd=of([state.sd for state in states]),
        time=of([state.time for state in states]),
        measured=of([state.measured for state in states]),
        seen=of(seen),
    )
