"""COCO and MPII are read as their makers wrote them; what is wrong is told annotation by annotation."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DataError
from drivers.joints import MPII16
from fusion.skeletons import COCO17
from recordings.importers.annotated import HIDDEN, SEEN, UNKNOWN
from recordings.importers.coco import read_coco
from recordings.importers.mpii import read_mpii

COCO = "annotations/person_keypoints_val2017.json"
MAT = "mpii_human_pose_v1_u12_1.mat"


def test_coco_is_read_with_its_pictures_boxes_and_visibility(coco: Path) -> None:
    found = read_coco(coco / COCO).sound()
    assert found.joints == COCO17
    assert not found.absent
    assert found.licences == {"Attribution License": 6}
    people = [person for person in found.people if not person.crowd]
    assert len(people) == 6
    assert len(found.people) == 7
    first = people[0]
    assert first.picture == coco / "val2017" / "000000000001.jpg"
    assert first.visibility.tolist() == [2, 2, 2, HIDDEN, UNKNOWN, *[SEEN] * 12]
    assert first.known == 16
    told = json.loads((coco / COCO).read_text())["annotations"][0]
    np.testing.assert_allclose(
        first.points[:3].ravel(), np.delete(told["keypoints"][:9], [2, 5, 8]), atol=1e-4
    )
    assert first.box == tuple(told["bbox"])
    assert first.area == told["area"]


def test_mpiis_own_file_and_the_json_made_of_it_say_the_same(mpii: Path) -> None:
    own, made = read_mpii(mpii / MAT).sound(), read_mpii(mpii / "annotations" / "mpii_train.json").sound()
    assert own.joints == made.joints == MPII16
    assert len(own.people) == len(made.people) == 5
    assert [path.name for path in own.absent] == ["900000000.jpg"]
    for one, other in zip(own.people, made.people, strict=True):
        np.testing.assert_allclose(one.points, other.points, atol=1e-4)
        assert ((one.visibility > 0) == (other.visibility > 0)).all()
        assert one.visibility[:4].tolist() == [UNKNOWN, HIDDEN, HIDDEN, SEEN]
        assert one.head_px == pytest.approx(0.6 * 50.0)
        x, y, width, height = one.box
        known = one.points[one.visibility > 0]
        assert (known > [x, y]).all()
        assert (known < [x + width, y + height]).all()


def test_mpii_counts_pixels_from_one(mpii: Path) -> None:
    raw = json.loads((mpii / "annotations" / "mpii_train.json").read_text())[0]["joints"]
    found = read_mpii(mpii / "annotations" / "mpii_train.json").people[0]
    np.testing.assert_allclose(found.points[5], np.array(raw[5]) - 1.0, atol=1e-4)


@pytest.fixture
def real_pictures() -> Path:
    """The samples, where CHORUS_DATA has them."""
    folder = Path(os.environ.get("CHORUS_DATA", "nowhere")) / "images"
    if not (folder / "coco" / "test_coco.json").is_file():
        pytest.skip("CHORUS_DATA has no images/coco")
    return folder


def test_real_samples_read_whole(real_pictures: Path) -> None:
    found = read_coco(real_pictures / "coco" / "test_coco.json").sound()
    assert (len(found.people), len(found.pictures), found.absent) == (14, 4, [])
    other = read_mpii(real_pictures / "mpii" / "test_mpii.json").sound()
    assert (len(other.people), len(other.pictures), other.absent) == (5, 5, [])
    for name, joints in (("crowdpose/test_crowdpose", 14), ("ochuman/test_ochuman", 17)):
        assert len(read_coco(real_pictures / f"{name}.json").sound().joints) == joints


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"keypoints": [1, 2, 2]}, "3 values of key points, not 51"),
        ({"image_id": 77}, "picture 77 is not listed"),
        ({"bbox": [1, 2, -3, 4]}, "not x, y, width, height"),
        ({"keypoints": [*[5.0, 5.0, 2] * 16, 5.0, 5.0, 9]}, "visibility 9, not 0, 1 or 2"),
        ({"keypoints": [*[5.0, 5.0, 2] * 16, 5.0, 1e300, 2]}, "not finite"),
    ],
)
def test_a_wrong_annotation_is_named_and_left_out(
    coco: Path, tmp_path: Path, change: dict[str, object], text: str
) -> None:
    content = json.loads((coco / COCO).read_text())
    content["annotations"][2] |= change
    path = tmp_path / "person_keypoints_val2017.json"
    path.write_text(json.dumps(content))
    found = read_coco(path, coco / "val2017")
    assert len(found.people) == 6
    assert text in found.faults[0]
    assert found.faults[0].startswith("annotation 12")
    with pytest.raises(DataError, match="data check"):
        found.sound()


def test_names_that_lead_out_of_the_set_are_refused(coco: Path, mpii: Path, tmp_path: Path) -> None:
    content = json.loads((coco / COCO).read_text())
    content["images"][0]["file_name"] = "../../etc/passwd"
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_coco(tmp_path / "a.json", coco / "val2017")
    assert "leads out" in found.faults[0]
    assert len(found.pictures) == 5
    rows = json.loads((mpii / "annotations" / "mpii_train.json").read_text())
    rows[0]["image"] = "/etc/passwd"
    (tmp_path / "b.json").write_text(json.dumps(rows))
    other = read_mpii(tmp_path / "b.json", mpii / "images")
    assert "leads out" in other.faults[0]
    assert len(other.pictures) == 4


def test_what_is_no_annotation_is_told_in_one_line(coco: Path, mpii: Path, tmp_path: Path) -> None:
    path = tmp_path / "person_keypoints_val2017.json"
    path.write_bytes((coco / COCO).read_bytes()[:2000])
    with pytest.raises(DataError, match="cut off"):
        read_coco(path)
    path.write_text("[]")
    with pytest.raises(DataError, match="are not in it"):
        read_coco(path)
    path.write_text('{"images": [], "annotations": [], "categories": [{"id": 1}]}')
    with pytest.raises(DataError, match="no key points"):
        read_coco(path)
    with pytest.raises(DataError, match="No such file"):
        read_coco(tmp_path / "none.json")
    with pytest.raises(DataError, match="there is no folder"):
        read_coco(coco / COCO, tmp_path / "none")
    cut = tmp_path / MAT
    cut.write_bytes((mpii / MAT).read_bytes()[:3000])
    with pytest.raises(DataError, match="is not MPII's"):
        read_mpii(cut)
    with pytest.raises(DataError, match="there is no"):
        read_mpii(tmp_path / "other.mat")
    shutil.copy(mpii / "annotations" / "mpii_train.json", tmp_path / "c.json")
    rows = json.loads((tmp_path / "c.json").read_text())
    rows[1]["joints"] = rows[1]["joints"][:7]
    (tmp_path / "c.json").write_text(json.dumps(rows))
    assert "not 16 joints" in read_mpii(tmp_path / "c.json", mpii / "images").faults[0]


@given(data=st.data())
def test_damaged_json_is_refused_and_never_breaks(coco: Path, data: st.DataObject) -> None:
    content = bytearray((coco / COCO).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = coco / "annotations" / "damaged.json"
    path.write_bytes(bytes(content))
    said = ""
    try:
        read_coco(path)
    except DataError as error:
        said = str(error)
    finally:
        path.unlink()
    assert "\n" not in said
