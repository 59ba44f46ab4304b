"""How well cameras are calibrated, against rendered pictures of the board whose every number is known.

::

    python -m benchmarks.devices.optics                      # easy and hard conditions, three seeds each
    python -m benchmarks.devices.optics --lenses rational fisheye --seeds 5

For each seed four cameras of different lenses stand around a room. Each is calibrated from pictures of a
hand-held board (A4); then a larger board (A0, squares of 150 mm) is moved through the room and seen by
several of them at once. At first it lies on the floor, which gives the world its frame where two cameras find
it there.
Truth is never shown to the calibration: pictures go in, JPEG-coded, blurred, noisy and half in shadow.
"""

from __future__ import annotations

import argparse
import dataclasses
import math

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.devices.board_scene import EASY, HARD, Condition, Studio, held
from drivers.camera.model import COEFFICIENTS, CameraModel, Pose
from drivers.errors import ChorusError
from fusion.calibrate.board import Board, Finder, View
from fusion.calibrate.extrinsics import calibrate_places
from fusion.calibrate.intrinsics import calibrate_lens

HAND, ROOM = Board(7, 5, 35.0), Board(7, 5, 150.0)
CONDITIONS = {"easy": EASY, "hard": HARD}
GOALS = {"focal": 0.5, "reprojection": 0.3, "place": 5.0, "angle": 0.3}


@dataclasses.dataclass(frozen=True)
class Result:
    """Of one seed. focal %, reprojection px, place mm and angle degrees are the worst of the four cameras.

    Place and angle are in the world that the board on the floor defines, as users have them; ``fitted`` mm is
    what is left of place once the four have been moved together, rigidly, to fit best.
    """

    focal: float
    reprojection: float
    place: float
    angle: float
    fitted: float
    shared: int


def cameras(rng: np.random.Generator, lens: str, size: tuple[int, int]) -> list[CameraModel]:
    """Return four cameras around the room, as different as cameras of one make are, and as hands put them."""
    made = []
    for number in range(4):
        way = math.pi / 2 * number + rng.uniform(-0.25, 0.25)
        place = np.array(
            [*(rng.uniform(2.6, 3.4) * np.array([math.cos(way), math.sin(way)])), rng.uniform(1.3, 2.4)]
        )
        ahead = np.array([*rng.uniform(-0.3, 0.3, 2), rng.uniform(0.7, 1.1)]) - place
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        roll = Rotation.from_rotvec(ahead * rng.normal(0, 0.08)).as_matrix()
        rotation = np.stack([right, np.cross(ahead, right), ahead]) @ roll
        focal = size[0] * (rng.uniform(0.42, 0.5) if lens == "fisheye" else rng.uniform(0.68, 0.85))
        middle = (np.array(size) - 1) / 2 + rng.normal(0, 8, 2)
        matrix = np.array(
            [[focal, 0, middle[0]], [0, focal * rng.uniform(0.998, 1.002), middle[1]], [0, 0, 1]]
        )
        made.append(
            CameraModel(
                matrix, _bent(rng, lens), size, lens, Pose(rotation, -rotation @ place), f"cam{number + 1}"
            )
        )
    return made


def _bent(rng: np.random.Generator, lens: str) -> np.ndarray:
    """Return distortion as cheap cameras (brown) and wide lenses have it."""
    usual = {
        "brown": ([-0.18, 0.06, 0, 0, 0], [0.08, 0.04, 6e-4, 6e-4, 0.01]),
        "rational": (
            [0.35, 0.12, 0, 0, 0.004, 0.72, 0.2, 0.02],
            [0.02, 0.01, 5e-4, 5e-4, 0.001, 0.02, 0.01, 0.002],
        ),
        "fisheye": ([0.03, -0.01, 0.004, -0.001], [0.02, 0.005, 0.001, 0.0003]),
    }[lens]
    assert len(usual[0]) == COEFFICIENTS[lens]
    return np.array(usual[0]) + rng.normal(0, 1, len(usual[0])) * usual[1]


def one(
    seed: int, lens: str, condition: Condition, size: tuple[int, int], views: int, moments: int
) -> Result:
    """Calibrate four rendered cameras from nothing and compare with the truth."""
    rng = np.random.default_rng(seed)
    truth = cameras(rng, lens, size)
    found: dict[str, CameraModel] = {}
    focal, reprojection = [], []
    for camera in truth:
        studio, finder = Studio(camera, HAND, condition, rng), Finder(HAND)
        seen = [finder(studio.picture(held(rng, camera, HAND)), f"{k}") for k in range(views)]
        result = calibrate_lens([v for v in seen if v is not None], HAND, size, camera.lens, camera.name)
        found[camera.name] = result.model
        focal += [100 * abs(result.model.matrix[i, i] / camera.matrix[i, i] - 1) for i in (0, 1)]
        reprojection.append(result.model.reprojection_px)
    boards = [_lying(), *(_moved(rng, k) for k in range(moments))]
    studios = [(camera, Studio(camera, ROOM, condition, rng), Finder(ROOM)) for camera in truth]
    seen_at: list[dict[str, View]] = []
    for board in boards:
        at_once = {}
        for camera, studio, finder in studios:
            assert camera.pose is not None
            rotation = camera.pose.rotation @ board.rotation
            shift = camera.pose.rotation @ board.translation + camera.pose.translation
            if rotation[:, 2] @ shift > 0:  # its back
                continue
            view = finder(studio.picture(Pose(rotation, shift)))
            if view is not None:
                at_once[camera.name] = view
        seen_at.append(at_once)
    placed = calibrate_places(found, seen_at, ROOM)
    place, angle = _compare(truth, placed.cameras, boards[placed.moments[0]])
    fitted = _fitted(truth, placed.cameras)
    return Result(
        max(focal), max(reprojection), place, angle, fitted, min(c for c in placed.shared.values() if c)
    )


def _lying() -> Pose:
    """Return the board on the floor, board to world."""
    return Pose(np.eye(3), np.array([-0.525, -0.375, 0.0]))


def _moved(rng: np.random.Generator, number: int) -> Pose:
    """Return the board as somebody holds it, turned to the gap between two neighbours, pair after pair."""
    # A board that stands and is not turned faces -y.
    facing = 135 + 90 * (number % 4) + rng.uniform(-20, 20)
    turn = Rotation.from_euler("ZX", [facing, rng.uniform(50, 85)], degrees=True).as_matrix()
    return Pose(
        turn, np.array([*rng.uniform(-0.7, 0.7, 2), rng.uniform(0.6, 1.5)]) - turn @ [0.525, 0.375, 0]
    )


def _compare(truth: list[CameraModel], found: dict[str, CameraModel], board: Pose) -> tuple[float, float]:
    """Return the largest error of place, mm, and of angle, degrees, in the world of the first board."""
    places, angles = [0.0], [0.0]
    for camera in truth:
        pose = found[camera.name].pose
        assert pose is not None
        assert camera.pose is not None
        centre = board.rotation.T @ (camera.pose.centre - board.translation)
        turn = camera.pose.rotation @ board.rotation
        places.append(1000 * float(np.linalg.norm(pose.centre - centre)))
        angles.append(float(np.degrees(Rotation.from_matrix(pose.rotation @ turn.T).magnitude())))
    return max(places), max(angles)


def _fitted(truth: list[CameraModel], found: dict[str, CameraModel]) -> float:
    """Return the largest error of place, mm, after the best rigid fit of all."""
    right = np.stack([camera.pose.centre for camera in truth if camera.pose is not None])
    poses = [found[camera.name].pose for camera in truth]
    given = np.stack([pose.centre for pose in poses if pose is not None])
    right, given = right - right.mean(0), given - given.mean(0)
    turn, _ = Rotation.align_vectors(right, given)
    return 1000 * float(np.linalg.norm(turn.apply(given) - right, axis=1).max())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--lenses", nargs="+", default=["brown"], choices=list(COEFFICIENTS))
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS))
    parser.add_argument("--views", type=int, default=60, help="pictures of the board for each lens")
    parser.add_argument("--moments", type=int, default=60, help="places of the board in the room")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args(arguments)
    good = True
    for lens in options.lenses:
        for name in options.conditions:
            results = []
            for seed in range(options.first, options.first + options.seeds):
                size = tuple(options.size)
                try:
                    result = one(seed, lens, CONDITIONS[name], size, options.views, options.moments)
                except ChorusError as error:
                    print(f"{lens} {name} seed {seed}: {error}", flush=True)
                    good = False
                    continue
                results.append(result)
                print(
                    f"{lens} {name} seed {seed}: focal length {result.focal:.3f} %, reprojection "
                    f"{result.reprojection:.3f} px, places {result.place:.2f} mm "
                    f"(fitted {result.fitted:.2f} mm), angles {result.angle:.3f} deg "
                    f"(least shared {result.shared})",
                    flush=True,
                )
            if results:
                good &= _summary(lens, name, results)
    return 0 if good else 1


def _summary(lens: str, name: str, results: list[Result]) -> bool:
    print(f"{lens} lenses, {name} conditions, worst of four cameras, over {len(results)} seeds:")
    good = True
    for key, unit in (("focal", "%"), ("reprojection", "px"), ("place", "mm"), ("angle", "deg")):
        values = [getattr(result, key) for result in results]
        met = max(values) <= GOALS[key]
        good &= met
        print(
            f"  {key:<13} median {np.median(values):.3f}, {min(values):.3f} to {max(values):.3f} {unit} "
            f"(goal {GOALS[key]:g} {unit}: {'met' if met else 'MISSED'})"
        )
    fitted = [result.fitted for result in results]
    print(
        f"  place, fitted median {np.median(fitted):.3f}, {min(fitted):.3f} to {max(fitted):.3f} mm (no goal)"
    )
    return good


if __name__ == "__main__":
    raise SystemExit(main())
