from pathlib import Path

import numpy as np
import pytest

from benchmarks.live import posture
from drivers.errors import ConfigError
from fusion.posture import Coach, Reading, load_rules
from fusion.posture.reading import UNITS

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "posture").glob("*.yaml"))

NECK = """
name: neck
smooth_s: 0
rules:
  bent:
    measure: neck_flexion
    unit: deg
    above: 25
    clear: 20
    hold_s: 1
    say: "neck {value:.0f} {unit}"
"""
KNEE = """
name: knees
smooth_s: 0
repetition: {measure: knee_flexion, sides: mean, unit: deg, start_above: 45, end_below: 25}
rules:
  shallow: {measure: thigh_inclination, sides: mean, unit: deg, of: max, below: 80, say: deeper}
  past: {measure: knee_past_toes, sides: either, unit: m, above: 0.05, during: true, say: "{side}"}
"""


def coach(text, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return Coach(load_rules(path))


def reading(**values):
    return Reading({name: np.float64(values.get(name, np.nan)) for name in UNITS}, "rotations")


def run(watching, start_s, values, rate_hz=60):
    said = []
    for row, each in enumerate(values):
        said += watching.update(round((start_s + row / rate_hz) * 1e9), reading(**each))
    return said


def test_a_rule_is_told_after_it_was_broken_for_its_time_and_ends_beyond_the_hysteresis(tmp_path):
    watching = coach(NECK, tmp_path)
    bends = [10.0] * 30 + [30.0] * 90 + [22.0] * 60 + [30.0] * 30 + [15.0] * 30
    first, last = run(watching, 0.0, [{"neck_flexion": v} for v in bends])
    assert (first.what, first.rule, first.say) == ("begins", "bent", "neck 30 deg")
    assert first.time == pytest.approx(0.5e9, abs=1)
    assert (last.what, last.value) == ("ends", 30.0)
    assert last.time == pytest.approx(3.5e9, abs=1e6)
    review = watching.review()
    assert review.broken == {"bent": 1}
    assert review.broken_s["bent"] == pytest.approx(2.0, abs=0.05)
    assert "bent 1 times for 2.0 s, at worst 30.00" in str(review)


def test_what_is_not_kept_up_is_not_told(tmp_path):
    watching = coach(NECK, tmp_path)
    assert run(watching, 0.0, [{"neck_flexion": v} for v in ([30.0] * 50 + [24.0] * 10) * 5]) == []


def test_a_gap_ends_what_was_broken_and_says_nothing_of_what_it_hides(tmp_path):
    watching = coach(NECK, tmp_path)
    run(watching, 0.0, [{"neck_flexion": 30.0}] * 90)
    (ended,) = run(watching, 10.0, [{"neck_flexion": 30.0}] * 50)
    assert ended.what == "ends"
    assert ended.time == pytest.approx(89 / 60 * 1e9, abs=1)
    assert watching.review().seconds == pytest.approx((89 + 49) / 60, abs=0.01)


def test_values_that_are_not_known_break_no_rule(tmp_path):
    watching = coach(NECK, tmp_path)
    assert run(watching, 0.0, [{}] * 300) == []


def squat(depth, past=0.0):
    course = 0.5 - 0.5 * np.cos(np.linspace(0, 2 * np.pi, 90))
    return [
        {f"{side}_{name}": size * x for side in ("left", "right")
         for name, size in (("knee_flexion", 1.2 * depth), ("thigh_inclination", depth))}
        | {"left_knee_past_toes": 0.0, "right_knee_past_toes": past * x}
        for x in course
    ]  # fmt: skip


def test_repetitions_are_counted_and_judged_one_by_one(tmp_path):
    watching = coach(KNEE, tmp_path)
    said = run(watching, 0.0, squat(95.0) + squat(70.0) + squat(96.0, past=0.1))
    assert [(word.rule, word.what, word.side, word.repetition) for word in said] == [
        ("shallow", "repetition", "", 2),
        ("past", "begins", "right", 3),
        ("past", "ends", "right", 0),
    ]
    assert said[0].value == pytest.approx(70.0, abs=0.1)
    review = watching.review()
    assert [repetition.broken for repetition in review.repetitions] == [(), ("shallow",), ("past",)]
    assert "3 repetitions, 1 of them good" in str(review)
    assert review.repetitions[0].extremes["left_knee_flexion"][1] == pytest.approx(114.0, abs=0.1)


def test_a_posture_that_is_kept_is_no_repetition(tmp_path):
    watching = coach(KNEE, tmp_path)
    down, up = squat(95.0)[:45], squat(95.0)[45:]
    run(watching, 0.0, down + [down[-1]] * 60 * 21 + up)
    assert watching.repetitions == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_rules_that_come_along_can_be_read(path):
    assert load_rules(path).rules


BAD = {
    "not YAML": "name: [",
    "no keys": "- a",
    "no rules": "name: a",
    "unknown key": NECK + "extra: 1\n",
    "unknown measure": NECK.replace("neck_flexion", "neck_bend"),
    "wrong unit": NECK.replace("unit: deg", "unit: rad"),
    "two limits": NECK.replace("above: 25", "above: 25\n    below: 3"),
    "no limit": NECK.replace("    above: 25\n", ""),
    "clear beyond": NECK.replace("clear: 20", "clear: 30"),
    "not a number": NECK.replace("above: 25", "above: .nan"),
    "words that cannot be filled in": NECK.replace("{value:.0f}", "{value.x}"),
    "unknown field": NECK.replace("{value:.0f}", "{other}"),
    "of without repetitions": NECK.replace("hold_s: 1", "of: max"),
    "either side counts": KNEE.replace("sides: mean, unit: deg, start", "sides: either, unit: deg, start"),
    "never begins": KNEE.replace("end_below: 25", "end_below: 50"),
    "negative hold": NECK.replace("hold_s: 1", "hold_s: -1"),
    "a list for a number": NECK.replace("above: 25", "above: [25]"),
    "a word for during": NECK.replace("hold_s: 1", "during: perhaps"),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_file_that_says_no_rules_is_refused_in_one_line(text, tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.mend


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")


def test_every_planted_fault_is_named_and_nothing_else_is_said(capsys):
    assert posture.main(["--seeds=1", "--minutes=0.5"]) == 0
    out = capsys.readouterr().out
    exact = out.split("joints:")[0]
    named, of = (int(v) for v in exact.split("named ")[1].split(";")[0].split(" of "))
    assert named == of > 20
    assert out.count("false alarms: 0 ") == 4
    assert out.count("off by 0") == 4
