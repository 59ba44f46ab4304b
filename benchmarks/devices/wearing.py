"""Sensor-to-bone alignment of simulated wearers; ``python -m benchmarks.devices.wearing``.

Each wearer is another body that follows the steps of ``chorus calibrate pose``. Each of 15 sensors is
mounted 30
degrees askew about a random axis, on soft tissue that wobbles, and has the noise, biases (0.5 to 1 deg/s,
20 to 40 mg
on each axis) and scale errors of a consumer part. The residual is the angle between the rotation sensor ->
bone that
was found and the true one, of the bone that the simulator moved. Three tables: wearers who do exactly as
told; and, with sensors as they come and after ``chorus calibrate imu``, wearers who do it about as well as
people do: in the
T-pose each arm is 5 to 10 degrees off, palms are turned by 3, elbows and knees bent, trunks lean,
movements are shaky and turn about other axes too.

What a pose holds wrong about an axis that no movement shows cannot be seen, and is in the residual: a
trunk that leans
while standing, a knee that is bent, a palm that is turned. Of forearm and hand, whose neutral rotation
about their length is what the palm shows, the residual against the wearer's own palm is told too.

Poor calibrations: one fault each is planted. Flagged is one where a sensor concerned has a problem;
falsely flagged, a sensor of a wearer without a fault.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.simulator.wearer import EXACT, Habits, Task, Wearer
from drivers.simulator.worn import Errors, Mount, Part, sensed
from fusion.calibrate.pose.align import Aligned, align
from fusion.calibrate.pose.steps import ALL_PLACES, STEPS
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]
RATE_HZ = 100.0
GOAL_DEG, GOAL_FLAGGED = 3.0, 0.95
ASKEW_DEG = 30.0
PAUSE_S = 1.0


@dataclasses.dataclass
class Run:
    """One wearer's calibration: what was done, how sensors sat, and on which the fault was."""

    tasks: list[Task]
    windows: dict[str, tuple[float, float]]
    mounts: dict[str, Mount]
    rng: np.random.Generator
    concerned: tuple[str, ...] = ALL_PLACES
    worn_as: dict[str, str] = dataclasses.field(default_factory=dict)


def plan(rng: np.random.Generator) -> Run:
    """Return a run without a fault."""
    windows, tasks, now = {}, [], 1.0
    for step in STEPS:
        late = rng.uniform(0.1, 0.6)
        windows[step.name] = (now, now + step.seconds)
        tasks.append(Task(step.name.removesuffix("_again"), now + late, now + step.seconds + 0.3))
        now += step.seconds + PAUSE_S
    mounts = {place: Mount(askew(rng)) for place in ALL_PLACES}
    return Run(tasks, windows, mounts, rng)


def askew(rng: np.random.Generator) -> Rotation:
    axis = rng.normal(size=3)
    return Rotation.from_rotvec(np.radians(ASKEW_DEG) * axis / np.linalg.norm(axis))


def measure(run: Run, seed: int, part: Part, *, calibrated: bool, habits: Habits) -> dict[str, ImuTrace]:
    """Return what the sensors send."""
    wearer = Wearer(run.tasks, seed, habits=habits)
    times = np.arange(0.0, max(stop for _, stop in run.windows.values()) + 1.0, 1 / RATE_HZ)
    ideal, traces = wearer.inertial(times, tuple(run.mounts)), {}
    for index, (place, mount) in enumerate(run.mounts.items()):
        errors = Errors.drawn(part, run.rng)
        force, rate = sensed(ideal, index, mount, times, run.rng)
        force, rate = errors.measured(force, rate, RATE_HZ, run.rng)
        if calibrated:
            force, rate = corrected(errors, force, rate, run.rng)
        name = run.worn_as.get(place, place)
        traces[name] = ImuTrace(name, name, RATE_HZ, times, force, rate)
    return traces


def corrected(errors: Errors, force: Array, rate: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Take off what ``chorus calibrate imu`` finds of this sensor."""
    from benchmarks.devices.imu import calibrated_triads

    found = calibrated_triads(errors, 50.0, rng)
    assert found.specific_force is not None
    assert found.angular_rate is not None
    return found.specific_force(force), found.angular_rate(rate)


def task_of(run: Run, name: str, number: int = 0) -> int:
    return [index for index, task in enumerate(run.tasks) if task.name == name][number]


def _change(run: Run, name: str, number: int = 0, **changes: object) -> None:
    index = task_of(run, name, number)
    run.tasks[index] = dataclasses.replace(run.tasks[index], **changes)  # type: ignore[arg-type]


ARM_PLACES = tuple(place for place in ALL_PLACES if place.endswith(("arm", "hand")))
LEG_PLACES = tuple(place for place in ALL_PLACES if place.endswith(("thigh", "shin", "foot")))
TRUNK_PLACES = ("pelvis", "chest", "head")


def not_held(run: Run) -> None:
    """The T-pose is not held: the arms go on moving by 8 to 15 degrees."""
    _change(run, "t_pose", restless_deg=run.rng.uniform(8, 15))
    run.concerned = ARM_PLACES


def elbow_bent(run: Run) -> None:
    """Elbows are bent upwards by 40 to 80 degrees in both T-poses."""
    bent = run.rng.uniform(40, 80)
    _change(run, "t_pose", bent_deg=bent)
    _change(run, "t_pose", 1, bent_deg=bent)
    run.concerned = tuple(place for place in ARM_PLACES if "upper" not in place)


def missing(run: Run) -> None:
    """One movement is not done."""
    step, places = _some_movement(run.rng)
    _change(run, step, does="still")
    run.concerned = places


def too_small(run: Run) -> None:
    """One movement is done at a sixth to a third of its size."""
    step, places = _some_movement(run.rng)
    _change(run, step, size=run.rng.uniform(0.16, 0.33))
    run.concerned = places


def wrong(run: Run) -> None:
    """Another limb or movement than the one asked for."""
    swaps = (
        ("left_knee", "right_knee", ("left_thigh",)),
        ("arms_forward", "arms_sideways", ("left_upper_arm", "right_upper_arm")),
        ("elbows", "squats", ("left_forearm", "right_forearm", "left_hand", "right_hand")),
        ("bows", "side_bends", ("pelvis", "chest")),
        ("arm_turns", "arms_forward", ("left_upper_arm", "right_upper_arm")),
        ("twists", "elbows", ("left_forearm", "right_forearm")),
    )
    step, instead, places = swaps[int(run.rng.integers(len(swaps)))]
    _change(run, step, does=instead)
    run.concerned = places


def slipped(run: Run) -> None:
    """One sensor turns by 25 to 45 degrees about its limb, or another axis, midway."""
    place = ALL_PLACES[int(run.rng.integers(len(ALL_PLACES)))]
    axis = run.rng.normal(size=3)
    if run.rng.random() < 0.5:
        axis = run.mounts[place].rotation.inv().apply([0.0, 0.0, 1.0])
    turn = np.radians(run.rng.uniform(25, 45)) * axis / np.linalg.norm(axis)
    # Before the first movement it would only be another way to wear it: what follows is right.
    first, last = run.windows["right_heel"][1], run.windows["t_pose_again"][0]
    when = float(run.rng.uniform(first, last))
    run.mounts[place] = dataclasses.replace(run.mounts[place], slip_s=when, slip=Rotation.from_rotvec(turn))
    run.concerned = (place,)


def swapped(run: Run) -> None:
    """A left and a right sensor are worn on each other's side."""
    parts = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
    part = parts[int(run.rng.integers(len(parts)))]
    run.worn_as = {f"left_{part}": f"right_{part}", f"right_{part}": f"left_{part}"}
    run.concerned = tuple(run.worn_as)


def turned_after(run: Run) -> None:
    """The sensor is turned by 25 to 45 degrees after the movements, before the last poses."""
    place = ALL_PLACES[int(run.rng.integers(len(ALL_PLACES)))]
    axis = run.rng.normal(size=3)
    if place in (*TRUNK_PLACES, *LEG_PLACES):
        axis[:2] *= 3  # about the vertical nothing shows while somebody stands
    turn = np.radians(run.rng.uniform(25, 45)) * axis / np.linalg.norm(axis)
    mount = run.mounts[place]
    turn = mount.rotation.inv().apply(turn)
    run.mounts[place] = dataclasses.replace(
        mount, slip_s=run.windows["t_pose_again"][0] - 0.5, slip=Rotation.from_rotvec(turn)
    )
    run.concerned = (place,)


def _some_movement(rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    choices: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("bows", TRUNK_PLACES),
        ("left_knee", ("left_thigh",)),
        ("right_heel", ("right_shin", "right_foot")),
        ("arms_forward", ("left_upper_arm", "right_upper_arm")),
        ("elbows", ("left_forearm", "right_forearm")),
        ("arm_turns", ("left_upper_arm", "right_upper_arm")),
        ("twists", ("left_forearm", "right_forearm")),
        ("squats", ("left_thigh", "right_thigh", "left_shin", "right_shin")),
    )
    return choices[int(rng.integers(len(choices)))]


FAULTS: dict[str, Callable[[Run], None]] = {
    "T-pose not held": not_held,
    "elbow bent in the T-pose": elbow_bent,
    "movement missing": missing,
    "movement too small": too_small,
    "wrong limb or movement": wrong,
    "sensor slipped midway": slipped,
    "left and right swapped": swapped,
    "turned after the movements": turned_after,
}


def residual_deg(found: Aligned, mount: Mount) -> float:
    assert found.rotation is not None
    return float(np.degrees((found.rotation * mount.at_end().inv()).magnitude()))


def own_residual_deg(found: Aligned, mount: Mount, seed: int, run: Run, habits: Habits) -> float:
    """Return the residual against the bone as turned about its length by the wearer's own palm."""
    place = found.worn_on
    if not place.endswith(("forearm", "hand")):
        return residual_deg(found, mount)
    assert found.rotation is not None
    side = place.partition("_")[0]
    palm = Wearer(run.tasks, seed, habits=habits).palm_deg(side)
    neutral = Rotation.from_euler("z", palm, degrees=True) * mount.at_end()
    return float(np.degrees((found.rotation * neutral.inv()).magnitude()))


def good_runs(
    seeds: Sequence[int], *, calibrated: bool, part: Part, habits: Habits
) -> dict[str, list[Aligned]]:
    """Print the residuals by place of wearers without a fault; return what was found of whom is flagged."""
    residuals: dict[str, list[float]] = collections.defaultdict(list)
    own: dict[str, list[float]] = collections.defaultdict(list)
    predicted: dict[str, list[float]] = collections.defaultdict(list)
    flagged: dict[str, list[Aligned]] = collections.defaultdict(list)
    for seed in seeds:
        run = plan(np.random.default_rng((seed, 1)))
        found = align(measure(run, seed, part, calibrated=calibrated, habits=habits), run.windows)
        for place, one in found.items():
            if one.rotation is not None:
                residuals[place].append(residual_deg(one, run.mounts[place]))
                predicted[place].append(one.error_deg)
                own[place].append(own_residual_deg(one, run.mounts[place], seed, run, habits))
            if not one.good:
                flagged[place].append(one)
    head = f"  {'place':<18}{'median':>8}{'95 %':>8}{'predicted':>11}{'falsely flagged':>17}"
    print(f"{head}   against the own palm: median, 95 %")
    for place in ALL_PLACES:
        low, high = np.quantile(residuals[place], [0.5, 0.95])
        rate = len(flagged[place]) / len(seeds)
        low_own, high_own = np.quantile(own[place], [0.5, 0.95])
        palm = f"   {low_own:8.2f}{high_own:8.2f}" if place.endswith(("forearm", "hand")) else ""
        print(
            f"  {place:<18}{low:8.2f}{high:8.2f}{np.median(predicted[place]):11.2f}{100 * rate:15.1f} %{palm}"
        )
    everything = np.concatenate(list(residuals.values()))
    low, high = np.quantile(everything, [0.5, 0.95])
    count = sum(map(len, flagged.values()))
    within = float(np.mean(everything <= GOAL_DEG))
    print(f"  {'all':<18}{low:8.2f}{high:8.2f}   goal: {GOAL_DEG:g} deg ({100 * within:.0f} % are within)")
    apart = np.concatenate(list(own.values()))
    low, high = np.quantile(apart, [0.5, 0.95])
    within = float(np.mean(apart <= GOAL_DEG))
    print(f"  {'against own palms':<18}{low:8.2f}{high:8.2f}   ({100 * within:.0f} % are within)")
    print(f"  falsely flagged: {count} of {len(everything)} sensors ({100 * count / len(everything):.2f} %)")
    return flagged


def poor_runs(
    seeds: Sequence[int], *, calibrated: bool, part: Part, habits: Habits, told: bool
) -> dict[str, float]:
    """Print and return the share of planted faults that were flagged."""
    out = {}
    for name, fault in FAULTS.items():
        caught, codes = 0, collections.Counter[str]()
        for seed in seeds:
            run = plan(np.random.default_rng((seed, 1)))
            fault(run)
            found = align(measure(run, seed, part, calibrated=calibrated, habits=habits), run.windows)
            problems = [problem for place in run.concerned for problem in found[place].problems]
            caught += bool(problems)
            codes.update({problem.code for problem in problems})
            if told and not problems:
                print("   missed:", name, seed, run.concerned, [t for t in run.tasks if t.does or t.size < 1])
        out[name] = caught / len(seeds)
        said = ", ".join(f"{code} {count}" for code, count in codes.most_common(4))
        print(f"  {name:<28}{100 * out[name]:7.1f} %   {said}")
    print(f"  {'all':<28}{100 * np.mean(list(out.values())):7.1f} %   goal: {100 * GOAL_FLAGGED:g} %")
    return out


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--wearers", type=int, default=100, help="without a fault")
    parser.add_argument("--poor", type=int, default=50, help="for each fault")
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument(
        "--told", action="store_true", help="tell each one that was missed or flagged falsely"
    )
    options = parser.parse_args(argv)
    part, habits = Part(), Habits()
    seeds = range(options.first, options.first + options.wearers)
    tables = (
        ("who do exactly as told, sensors as they come", False, EXACT),
        ("as people are, sensors as they come", False, habits),
        ("as people are, after chorus calibrate imu", True, habits),
    )
    for words, calibrated, do in tables:
        print(f"residual, deg, of {len(seeds)} wearers {words}")
        flagged = good_runs(seeds, calibrated=calibrated, part=part, habits=do)
        if options.told:
            for found in flagged.values():
                for one in found:
                    print("   flagged:", "; ".join(map(str, one.problems)))
    print("poor calibrations flagged, sensors as they come")
    poor = range(options.first, options.first + options.poor)
    poor_runs(poor, calibrated=False, part=part, habits=habits, told=options.told)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
