"""What docs/devices.md shows is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.rig import load_rig

PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text("utf-8")


def test_every_rig_on_the_page_is_a_rig(tmp_path: Path) -> None:
    shown = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL) if "streams:" in text]
    assert shown
    for text in shown:
        (tmp_path / "rig.yaml").write_text(text)
        assert load_rig(tmp_path / "rig.yaml").streams


def test_drivers_that_the_page_names_exist() -> None:
    from drivers.registry import names

    assert set(re.findall(r"`((?:imu|camera|microphone)\.\w+)`", PAGE)) <= set(names())
