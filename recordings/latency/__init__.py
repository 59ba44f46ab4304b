"""Constant latency between streams, found from impacts that several of them saw.

::

    sound ── onsets ──┐
    force ── shocks ──┼─ match (which are the same?) ─ constant (by how much late, how sure?) ─ found
    hands ── meets  ──┘        reference: sound

Stamps can't show a constant latency: a device that is always 20 ms late looks like one that is not. A
clap is heard, felt and seen at one instant, so that the *differences* of latencies show; what all streams
have in common stays unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordings.latency.found import Latency

if TYPE_CHECKING:
    from recordings.reader import Recording

__all__ = ["Latency", "cross_modal"]


def cross_modal(recording: Recording) -> dict[str, Latency]:
    """See :func:`recordings.latency.compare.cross_modal`; imported when called, as it needs scipy."""
    from recordings.latency.compare import cross_modal as compare

    return compare(recording)
