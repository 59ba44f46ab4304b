"""The steps of ``chorus calibrate pose``, and what each one should show on each place of the body.

Frames of bones (``drivers.imu.calibration``): a person who stands upright with hanging arms, palms to the
thighs; x forward, y left, z up along the segment. Raised sideways to a T, palms down, the left arm's y points
up and the right arm's down; bending the elbow turns the forearm about -y, lifting the knee the thigh, too.
"""

from __future__ import annotations

import dataclasses

from drivers.places import PLACES

TRUNK = ("pelvis", "chest", "head")
LEGS = ("thigh", "shin", "foot")
ARMS = ("upper_arm", "forearm", "hand")


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        name: of the step, and of the mark that begins it in a session.
        seconds: it takes.
        hold: a pose is held, else a movement is repeated.
        words: what to do, to a person.
        parts: parts of the body that it is for.
    """

    name: str
    seconds: float
    hold: bool
    words: str
    parts: tuple[str, ...]


STEPS: tuple[Step, ...] = (
    # What is done again comes late, so that a sensor that slipped meanwhile shows.
    Step(
        "n_pose",
        5.0,
        True,
        "Stand upright, feet parallel, arms hanging straight, palms to the thighs. Hold still.",
        (*TRUNK, *LEGS, *ARMS),
    ),
    Step(
        "t_pose",
        6.0,
        True,
        "Raise both arms straight out to the sides, level, palms down. Hold still.",
        (*ARMS,),
    ),
    Step(
        "bows",
        9.0,
        False,
        "Hands down. Bow forward with the whole trunk and come up again, three times.",
        (*TRUNK,),
    ),
    Step(
        "left_knee",
        8.0,
        False,
        "Lift the left knee straight up in front and put the foot down, three times.",
        ("thigh",),
    ),
    Step("right_knee", 8.0, False, "The same with the right knee, three times.", ("thigh",)),
    Step(
        "left_heel",
        8.0,
        False,
        "Bring the left heel up behind, toward the seat, and down again, three times; the thigh stays.",
        ("shin", "foot"),
    ),
    Step("right_heel", 8.0, False, "The same with the right heel, three times.", ("shin", "foot")),
    Step(
        "arms_forward",
        9.0,
        False,
        "Raise both straight arms forward to the height of the shoulders and lower them, three times.",
        ("upper_arm",),
    ),
    Step(
        "elbows",
        9.0,
        False,
        "Upper arms at your sides, bend both elbows fully and stretch them again, four times.",
        ("forearm", "hand"),
    ),
    Step(
        "arm_turns",
        10.0,
        False,
        "Upper arms at your sides, elbows bent square: swing the hands outward and back, four times.",
        ("upper_arm",),
    ),
    Step(
        "twists",
        9.0,
        False,
        "Arms hanging: turn the palms forward and back to the thighs, four times.",
        ("forearm", "hand"),
    ),
    Step("t_pose_again", 6.0, True, "Raise both arms to the sides as before. Hold still.", (*ARMS,)),
    Step(
        "squats",
        9.0,
        False,
        "Bend both knees, knees straight ahead, and come up again, three times.",
        ("pelvis", "chest", "thigh", "shin"),
    ),
    Step("nods", 8.0, False, "Nod: chin to the chest and up again, three times.", ("head",)),
    Step("march", 8.0, False, "March on the spot, lifting the knees.", (*LEGS,)),
    Step("n_pose_again", 5.0, True, "Stand as at first, arms hanging. Hold still.", (*TRUNK, *LEGS, *ARMS)),
)

STEP: dict[str, Step] = {step.name: step for step in STEPS}


def part_of(place: str) -> str:
    """Return the part of the body of a place, without its side."""
    place = "right_forearm" if place == "unspecified" else place
    return place.removeprefix("left_").removeprefix("right_")


def side_of(place: str) -> str:
    """Return ``left``, ``right`` or, of a part there is one of, an empty text."""
    place = "right_forearm" if place == "unspecified" else place
    return next((side for side in ("left", "right") if place.startswith(side)), "")


def steps_for(places: list[str] | tuple[str, ...]) -> tuple[Step, ...]:
    """Return the steps that sensors at these places need, in order."""
    parts = {part_of(place) for place in places}
    sides = {side_of(place) for place in places if part_of(place) in LEGS}
    out = []
    for step in STEPS:
        if not parts & set(step.parts):
            continue
        if step.name.startswith(("left_", "right_")) and step.name.partition("_")[0] not in sides:
            continue
        out.append(step)
    return tuple(out)


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What a step shows at a place: a direction in the bone's frame.

    Attributes:
        step: its name.
        toward: (3,) unit vector: up during a pose, the axis of turning (right-handed) of a movement.
        sigma_deg: how far people are from it, about x, y and z of the bone, degrees, one standard deviation.
        both_ways: the movement goes to both sides, so that only the line is known.
        turn_deg: how far the movement should turn the segment, degrees.
    """

    step: str
    toward: tuple[float, float, float]
    sigma_deg: tuple[float, ...]
    both_ways: bool = False
    turn_deg: float = 0.0


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_BACK_Y = (0.0, -1.0, 0.0)


def expectations(place: str) -> tuple[Expectation, ...]:
    """Return what the steps show at a place, those too that others are asked for: all stand in a T-pose.

    The sizes of ``sigma_deg`` are judgements of how well people do it: trunk and legs stand upright within 2
    to 3 degrees, raised and hanging arms within 5 to 10, elbows are bent by as much again.
    """
    part, side = part_of(place), side_of(place)
    way = {"left": 1.0, "right": -1.0}.get(side, 0.0)
    if part in TRUNK:
        upright = {"pelvis": 2.0, "chest": 2.0, "head": 3.0}[part]
        out = [
            Expectation("n_pose", _Z, (upright,) * 3),
            Expectation("bows", _Y, (3.0,) * 3, turn_deg=30.0 if part == "pelvis" else 50.0),
        ]
        if part == "head":  # in a squat it may turn either way
            out.append(Expectation("nods", _Y, (3.0,) * 3, turn_deg=35.0))
        else:
            out.append(Expectation("squats", _Y, (3.0,) * 3, turn_deg=15.0))
        poses = ("t_pose", "t_pose_again", "n_pose_again")
        return (*out, *(Expectation(step, _Z, (upright,) * 3) for step in poses))
    if part in LEGS:
        bend = _Y if part != "thigh" else _BACK_Y
        upright = (2.0, 2.5, 2.5)
        poses = [
            Expectation(step, _Z, upright) for step in ("n_pose", "t_pose", "t_pose_again", "n_pose_again")
        ]
        lift = "knee" if part == "thigh" else "heel"
        turn = {"thigh": 50.0, "shin": 70.0, "foot": 65.0}[part]
        own = Expectation(f"{side}_{lift}", bend, (3.0,) * 3, turn_deg=turn)
        squat = Expectation("squats", bend, (3.0,) * 3, turn_deg=45.0 if part == "thigh" else 25.0)
        # A foot leaves the floor heel first; a shin may swing either way while the knee is lifted.
        turn = {"thigh": 30.0, "shin": 8.0, "foot": 12.0}[part]
        march = Expectation("march", bend, (3.0,) * 3, both_ways=part == "shin", turn_deg=turn)
        return (*poses, own, march) if part == "foot" else (*poses, own, squat, march)
    raised = (0.0, way, 0.0)
    hang = {"upper_arm": (6.0, 8.0, 8.0), "forearm": (7.0, 12.0, 12.0), "hand": (9.0, 15.0, 15.0)}[part]
    level = {"upper_arm": (8.0, 8.0, 8.0), "forearm": (8.0, 8.0, 9.0), "hand": (10.0, 10.0, 12.0)}[part]
    poses = (
        Expectation("n_pose", _Z, hang),
        Expectation("t_pose", raised, level),
        Expectation("t_pose_again", raised, level),
        Expectation("n_pose_again", _Z, hang),
    )
    if part == "upper_arm":
        moves = (
            Expectation("arms_forward", _BACK_Y, (3.0,) * 3, turn_deg=70.0),
            Expectation("arm_turns", (0.0, 0.0, way), (3.0,) * 3, turn_deg=40.0),
        )
    else:
        looser = 1.0 if part == "forearm" else 1.5
        moves = (
            Expectation("elbows", _BACK_Y, (3.0 * looser,) * 3, turn_deg=90.0),
            Expectation("twists", _Z, (3.0 * looser,) * 3, both_ways=True, turn_deg=75.0),
        )
    return (poses[0], poses[1], *moves, poses[2], poses[3])


ALL_PLACES: tuple[str, ...] = tuple(place for place in PLACES if place != "unspecified")
"""Places on the body that can be aligned."""
