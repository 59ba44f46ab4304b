"""Scores of actions, contacts and segments, against scikit's definitions worked by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusion.evaluate.actions import ActionScores
from fusion.evaluate.contact import ContactF1
from fusion.evaluate.segments import SegmentalF1, count_matches, segments

LABELS = st.lists(st.integers(-1, 3), min_size=1, max_size=60)


def test_scores_of_a_known_confusion() -> None:
    scores = ActionScores(4)
    truth = torch.tensor([0, 0, 0, 1, 1, 2, -1])
    named = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    scores.update(named, truth)
    got = scores.compute()
    assert (scores.hits, scores.count) == (4, 6)
    assert got["top1"] == pytest.approx(4 / 6)
    assert got["mean_class"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert got["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)


def test_no_actions_are_no_numbers() -> None:
    scores = ActionScores(3)
    scores.update(torch.tensor([1]), torch.tensor([-1]))
    assert all(math.isnan(value) for value in scores.compute().values())


def test_contact_f1_of_both_feet() -> None:
    metric = ContactF1()
    logits = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [9.0, 9.0]])
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    metric.update(logits, truth, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert float(metric.compute()) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


@given(LABELS)
def test_segments_cover_what_is_known_once(labels: list[int]) -> None:
    again = [-1] * len(labels)
    for kind, start, stop in segments(labels):
        assert kind >= 0
        again[start:stop] = [kind] * (stop - start)
    assert again == labels
    found = segments(labels)
    assert all(a[2] < b[1] or a[0] != b[0] for a, b in itertools.pairwise(found))


@given(LABELS, st.sampled_from([0.1, 0.25, 0.5]))
def test_the_truth_itself_is_all_right(labels: list[int], overlap: float) -> None:
    assert count_matches(labels, labels, overlap) == (len(segments(labels)), 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_more_overlap_asked_is_never_easier(pairs: list[tuple[int, int]]) -> None:
    named, true = [a for a, _ in pairs], [b for _, b in pairs]
    rights = []
    for overlap in (0.1, 0.25, 0.5):
        right, wrong, missed = count_matches(named, true, overlap)
        assert right + wrong == len(segments(named))
        assert right + missed == len(segments(true))
        rights.append(right)
    assert rights == sorted(rights, reverse=True)


def test_one_true_segment_is_found_once() -> None:
    true = [1] * 10
    named = [1] * 6 + [0] + [1] * 3
    assert count_matches(named, true, 0.1) == (1, 2, 0)
    assert count_matches(named, true, 0.5) == (1, 2, 0)
    shifted = [0] * 10
    assert count_matches(shifted, true, 0.1) == (0, 1, 1)


def test_what_is_unknown_belongs_to_no_segment() -> None:
    metric = SegmentalF1()
    named = torch.tensor([[3, 1, 1, 1, 2, 2, 0, 0]])
    truth = torch.tensor([[-1, 1, 1, 1, 2, 2, -1, -1]])
    metric.update(named, truth)
    assert metric.compute() == {"f1@10": 1.0, "f1@25": 1.0, "f1@50": 1.0}
