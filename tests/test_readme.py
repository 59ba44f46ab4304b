"""What README shows is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.rig import load_rig
from fusion.cli import VERBS

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_rig_that_readme_shows_is_a_rig(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert shown
    for number, text in enumerate(shown):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert load_rig(tmp_path / f"{number}.yaml").streams


def test_the_verbs_and_files_that_readme_names_exist() -> None:
    verbs = set(re.findall(r"\bchorus ([a-z]+) [A-Za-z-]*\.?(?:yaml|h5|latency|--)", README))
    assert verbs >= {"record", "check", "info", "drive"}
    assert verbs <= VERBS.keys()
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", README) + re.findall(r"configs/[\w/]+\.yaml", README):
        assert (Path(__file__).parent.parent / path).exists(), path
