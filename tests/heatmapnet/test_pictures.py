"""A HeatmapNet learns from annotated pictures: crops are true, people are found, faults are told."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))  # made_sets

from made_sets import SIZE, make_coco, make_mpii

from drivers.errors import ConfigError, DataError
from fusion.data.picture_variety import PictureVariety, varied_picture
from fusion.data.pictures import PictureCrops, PictureData, place_of
from fusion.evaluate.oks import oks, sigmas
from fusion.heatmapnet.crops import cell_affine, crop_affine
from fusion.model.ship import main as ship
from fusion.model.train import main
from fusion.skeletons import COCO17
from fusion.vision.base import front_end
from recordings.importers.annotated import AnnotatedPerson
from recordings.importers.coco import read_coco
from recordings.importers.mpii import read_mpii

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "heatmap_coco.yaml"
CELLS = (12, 16)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sets")
    make_coco(root / "coco", 12, "train2017")
    return make_coco(root / "coco", 4, "val2017"), make_mpii(root / "mpii")


def crops_of(root: Path, variety: PictureVariety | None) -> PictureCrops:
    found = read_coco(root / "annotations" / "person_keypoints_train2017.json")
    people = [(person, found.joints) for person in found.people if not person.crowd]
    return PictureCrops(people, COCO17, (48, 64), 1.0, variety)


@pytest.mark.parametrize("variety", [None, PictureVariety(covered=0.0, blurred=0.0, dark=0.0, colour=0.0)])
def test_heatmaps_are_where_the_coloured_joints_are(
    sets: tuple[Path, Path], variety: PictureVariety | None
) -> None:
    torch.manual_seed(0)
    hues = []
    crops = crops_of(sets[0], variety)
    for number in range(len(crops)):
        item = crops[number]
        assert item["crop"].shape == (3, 64, 48)
        assert item["heat"].shape == (17, *CELLS[::-1])
        assert item["known"][4] == 0.0 or variety is not None  # the right ear is annotated nowhere
        assert item["heat"][(item["known"] == 0)].max() < 1.01
        for joint in np.flatnonzero(item["known"]):
            column, row = item["points"][joint].round().long().tolist()
            assert item["heat"][joint].argmax() == CELLS[0] * row + column
        # A disc of the joint's colour lies where it is said to be; a mirrored one has the other side's.
        for name in ("left_ankle", "right_knee"):
            joint = COCO17.index(name)
            if item["known"][joint]:
                x, y = (item["points"][joint] * 4 + 1.5).round().long().clamp(min=0).tolist()
                part = (item["crop"][:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].numpy() + 1) * 127.5
                bgr = part.reshape(3, -1).mean(1)[None, None].astype(np.uint8)
                hue = float(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)[0, 0, 0])
                sides = {COCO17.index(f"{side}_{name.partition('_')[2]}") for side in ("left", "right")}
                hues.append(min(abs(hue - one * 180 // 17) for one in sides) < 9)
    assert np.mean(hues) > 0.8


def test_crops_keep_the_aspect_and_their_places_lead_back(sets: tuple[Path, Path]) -> None:
    crops = crops_of(sets[0], None)
    person = crops.people[0][0]
    place = place_of(person.box, crops.size)
    corner = crop_affine(place, crops.size)
    assert np.linalg.norm(corner[:, 0]) == pytest.approx(np.linalg.norm(corner[:, 1]))
    back = (
        crops[0]["points"].numpy() @ cell_affine(place, crops.size)[:, :2].T
        + cell_affine(place, crops.size)[:, 2]
    )
    known = person.visibility > 0
    np.testing.assert_allclose(back[known], person.points[known], atol=1e-3)
    assert float(crops[0]["height"]) == pytest.approx(max(person.box[2:]) * 64 / place.side)


def test_mirrored_people_have_their_left_at_the_left(sets: tuple[Path, Path]) -> None:
    only = {"turned": 0.0, "covered": 0.0, "blurred": 0.0, "dark": 0.0, "colour": 0.0}
    torch.manual_seed(0)
    crops = crops_of(sets[0], PictureVariety(mirrored=1.0, **only))
    left, right = COCO17.index("left_hip"), COCO17.index("right_hip")
    for number in range(4):
        item = crops[number]
        assert item["points"][left, 0] > item["points"][right, 0]
        assert item["known"][3] == 0.0  # the right ear, unknown, is the left one now
        assert item["known"][4] == 1.0


def test_darkness_blur_and_boxes_change_pictures_as_they_say() -> None:
    image = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (48, 1, 3))
    draw = np.random.default_rng(0)
    nothing = PictureVariety(covered=0, blurred=0, dark=0, colour=0)
    np.testing.assert_array_equal(varied_picture(image, nothing, draw), image)
    night = [
        varied_picture(image, PictureVariety(covered=0, blurred=0, dark=1, colour=0), draw) for _ in range(20)
    ]
    assert max(one.mean() for one in night) < 0.7 * image.mean()
    edges = np.zeros((48, 64, 3), np.uint8)
    edges[:, 32:] = 255
    soft = varied_picture(edges, PictureVariety(covered=0, blurred=1, dark=0, colour=0), draw)
    assert np.abs(np.diff(soft[..., 0].astype(int), axis=1)).max() <= 255
    covered = varied_picture(image, PictureVariety(covered=1, blurred=0, dark=0, colour=0), draw)
    assert 0.0 < (covered != image).any(axis=2).mean() < 0.5


def test_similarity_is_cocos() -> None:
    k = 2 * sigmas(["nose", "left_hip", "head_top"])
    assert np.isnan(k[2])
    area = np.array([400.0])
    one = oks(
        np.array([[k[0] * 20.0, 0.0, 99.0]]), np.array([[1, 1, 1]]), area, ["nose", "left_hip", "head_top"]
    )
    assert one[0] == pytest.approx((np.exp(-0.5) + 1.0) / 2)
    assert np.isnan(oks(np.zeros((1, 3)), np.array([[0, 0, 1]]), area, ["nose", "left_hip", "head_top"])[0])


def asked(output: Path, train: list[str], val: str, *more: str) -> list[str]:
    small = ("height=64", "width=48")
    return [
        f"--config={CONFIG}",
        f"--output={output}",
        f"--data.train={json.dumps(train)}",
        f"--data.val={val}",
        *(f"--data.{one}" for one in small),
        *(f"--model.init_args.net.{one}" for one in small),
        "--model.init_args.net.channels=12",
        "--model.init_args.net.blocks=1",
        "--model.init_args.net.stages=3",
        "--data.workers=0",
        "--data.batch_size=6",
        "--data.sigma=1.0",
        "--trainer.precision=32",
        "--trainer.callbacks=null",
        *more,
    ]


@pytest.mark.slow
def test_it_learns_pictures_by_heart_writes_a_report_and_finds_people(
    sets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco, mpii = sets
    calm = ("covered", "blurred", "dark", "turned", "mirrored")
    options = asked(
        tmp_path, [str(coco), str(mpii)], str(coco / "annotations" / "person_keypoints_train2017.json"),
        "--trainer.max_epochs=150", "--trainer.check_val_every_n_epoch=50", "--model.init_args.lr=0.005",
        *(f"--data.variety.{name}=0" for name in calm),
    )  # fmt: skip
    assert main(["fit", *options]) == 0
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert main(["test", *options, f"--ckpt_path={last}"]) == 0
    said = capsys.readouterr().out
    assert "test/oks" in said
    report = tmp_path / "report"
    assert {path.name for path in report.iterdir()} == {
        "results.json", "pck.png", "pictures.png", "learning.png",
    }  # fmt: skip
    results = json.loads((report / "results.json").read_text())
    assert results["pck05"] > 85.0
    assert baseline(coco) < 50.0
    picture = cv2.imread(str(coco / "train2017" / "000000000001.jpg"))
    assert picture is not None
    truth = read_coco(coco / "annotations" / "person_keypoints_train2017.json").people[0]
    shipped = tmp_path / "mine.safetensors"
    assert ship([str(last), str(shipped), "figures"]) == 0
    with front_end("heatmapnet", weights=str(shipped), confident=0.2) as eyes:
        found = eyes(np.ascontiguousarray(picture), 0)
        assert eyes.skeleton == COCO17
        assert len(found) == 1
        known = truth.visibility > 0
        away = np.linalg.norm(found[0].keypoints - truth.points, axis=1)[known]
        assert np.median(away) < 0.1 * max(truth.box[2:])


def baseline(coco: Path) -> float:
    """Return PCK@0.05 in per cent of the mean pose of all crops."""
    crops = crops_of(coco, None)
    items = [crops[number] for number in range(len(crops))]
    points = torch.stack([item["points"] for item in items])
    known = torch.stack([item["known"] for item in items])
    mean = (points * known[..., None]).sum(0) / known.sum(0).clamp(min=1)[:, None]
    size = torch.stack([item["height"] for item in items])[:, None]
    near = (points - mean).norm(dim=-1) * 4 / size < 0.05
    return 100.0 * float((near * known).sum() / known.sum())


@pytest.mark.slow
def test_the_real_samples_are_trained_on(tmp_path: Path) -> None:
    folder = Path(os.environ.get("CHORUS_DATA", "nowhere")) / "images"
    files = [str(folder / "coco" / "test_coco.json"), str(folder / "mpii" / "test_mpii.json")]
    if not all(Path(file).is_file() for file in files):
        pytest.skip("CHORUS_DATA has no images/coco and images/mpii")
    options = asked(
        tmp_path, files, files[0], "--trainer.max_epochs=12", "--trainer.check_val_every_n_epoch=4"
    )
    assert main(["fit", *options]) == 0
    rows = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("train/loss")
    losses = [float(row.split(",")[column]) for row in rows[1:] if row.split(",")[column]]
    assert losses[-1] < 0.7 * losses[0]


def test_what_can_not_be_learned_from_is_told_in_one_line(sets: tuple[Path, Path], tmp_path: Path) -> None:
    coco, _ = sets
    with pytest.raises(DataError, match="no annotated pictures are named"):
        PictureData().setup("fit")
    with pytest.raises(DataError, match="holds no annotations"):
        PictureData(str(tmp_path)).setup("fit")
    with pytest.raises(DataError, match="none of its joints"):
        PictureData(str(coco), joints=("left_tail",)).setup("fit")
    with pytest.raises(ConfigError, match="val_part"):
        PictureData(str(coco), val_part=1.0)
    root = tmp_path / "coco"
    shutil.copytree(coco, root)
    (root / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(DataError, match=r"1 pictures with people are absent, such as 000000000002\.jpg"):
        PictureData(str(root)).setup("fit")
    rest = PictureData(str(root), partial=True, val_part=0.4)
    rest.setup("fit")
    train, val = (rest._crops[part].people for part in ("train", "val"))
    assert len(train) + len(val) == 11
    assert {one[0].picture for one in train}.isdisjoint(one[0].picture for one in val)
    (root / "train2017" / "000000000003.jpg").write_text("no picture")
    person = AnnotatedPerson(
        root / "train2017" / "000000000003.jpg", np.zeros((17, 2), np.float32), np.ones(17, np.uint8),
        (0.0, 0.0, float(SIZE[0]), float(SIZE[1])), 100.0,
    )  # fmt: skip
    with pytest.raises(DataError, match="no picture that can be read"):
        PictureCrops([(person, COCO17)], COCO17, (48, 64), 1.0, None)[0]


def test_network_and_data_must_agree(
    sets: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = asked(tmp_path, [str(sets[0])], str(sets[0]), "--trainer.max_epochs=1")
    assert main(["fit", *options, "--data.height=96"]) == 1
    assert "crops of 48 x 64 px" in capsys.readouterr().err
    assert main(["fit", *options, "--data.joints=[nose]"]) == 1
    assert "17 joints, the data 1" in capsys.readouterr().err
    assert read_mpii(sets[1] / "annotations" / "mpii_train.json").people
