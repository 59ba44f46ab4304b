"""Windows of one action each: masks, late fusion, baselines, and leaving subjects out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_utd import make

from benchmarks.training import final, leave_one_out
from benchmarks.training.alone import alone_in
from drivers.errors import ConfigError
from drivers.places import PLACES
from fusion.data.utd_mhad import UtdMhadData
from fusion.evaluate.conditions import parse_mask, there, without
from fusion.evaluate.named import baselines, conditions, log_chances
from fusion.model.net import FusionNet, NetConfig
from recordings.importers.utd_mhad import ACTIONS

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "utd_mhad.yaml"


@pytest.fixture
def data(made_utd: Path) -> UtdMhadData:
    data = UtdMhadData(str(made_utd), train_subjects=(1, 3), test_subjects=(5,), batch_size=4)
    data.setup("test")
    return data


def small() -> FusionNet:
    torch.manual_seed(0)
    return FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=ACTIONS)).eval()


def test_masks_are_named() -> None:
    assert parse_mask("vision, imu.left_forearm") == ("vision", "inertial.left_forearm")
    assert parse_mask("imu,audio,imu") == ("inertial", "audio")
    assert parse_mask("") == ()
    for word in ("sight", "imu.nose", "vision.left_forearm"):
        with pytest.raises(ConfigError, match="can be masked"):
            parse_mask(word)


def test_what_is_masked_is_gone_and_the_truth_stays(data: UtdMhadData) -> None:
    batch = next(iter(data.test_dataloader()))
    assert there(batch) == {"vision", "inertial"}
    assert there(without(batch, ("vision",))) == {"inertial"}
    assert there(without(batch, ("inertial.unspecified",))) == {"vision"}
    assert there(without(batch, ("inertial.head",))) == {"vision", "inertial"}
    blind = without(batch, ("vision",))
    for name, value in batch["targets"].items():
        assert torch.equal(blind["targets"][name], value)
    # To the network it is the same as presence taken away, as training does it.
    dropped = {**batch["features"], "vision_present": torch.zeros_like(batch["features"]["vision_present"])}
    net = small()
    with torch.no_grad():
        torch.testing.assert_close(net(blind["features"])["action"], net(dropped)["action"])
    place = PLACES.index("unspecified")
    assert float(batch["features"]["inertial_present"][..., place].sum()) > 0, "the batch itself is untouched"


def test_late_fusion_adds_what_the_masked_runs_say(data: UtdMhadData) -> None:
    net = small()
    results = {result.name: result for result in conditions(net, data.test_dataloader)}
    assert list(results)[:4] == ["all sensors", "vision alone", "inertial alone", "late fusion"]
    both = log_chances(net, data.test_dataloader(), ("inertial",))
    both = both + log_chances(net, data.test_dataloader(), ("vision",))
    assert torch.equal(results["late fusion"].guesses, both.argmax(dim=-1))
    council = both + log_chances(net, data.test_dataloader())
    assert torch.equal(results["council of three"].guesses, council.argmax(dim=-1))
    (alone,) = conditions(net, data.test_dataloader, ("vision",))
    assert alone.scores.count == 6, "nothing else is left to mask"


def test_the_nearest_mean_knows_clear_actions_and_the_most_frequent_a_third(data: UtdMhadData) -> None:
    results = {r.name: r for r in baselines(data.test_dataloader, data.reference_dataloader, len(ACTIONS))}
    assert results["nearest mean"].scores.compute()["top1"] == 1.0
    assert results["most frequent action"].scores.compute()["top1"] == pytest.approx(1 / 3)
    assert [r.name for r in baselines(data.test_dataloader, None, 27)] == ["chance (drawn)"]


SMALL = (
    "--model.net.width=16", "--model.net.layers=1", "--model.net.heads=2", "--model.net.window=8",
    "--trainer.max_epochs=1",
)  # fmt: skip


def test_each_subject_is_left_out_once_and_the_final_ones_are_never_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "utd").mkdir()
    made_utd = make(tmp_path / "utd")
    for path in made_utd.glob("*/a*_s2_*"):
        path.write_bytes(b"whoever reads this fails")
    common = ["--config", str(CONFIG), "--output", str(tmp_path), "--subjects", "1", "3"]
    assert leave_one_out.main([*common, "--suite", f"--data.root={made_utd}", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "subject 1 left out" in said
    assert "subject 3 left out" in said
    assert "2 runs, top-1:" in said
    assert "suite, noise by channel" in said
    rows = json.loads((tmp_path / "without_1_seed_0" / "report" / "results.json").read_text("utf-8"))
    assert {row["count"] for row in rows} == {6}
    with pytest.raises(SystemExit):
        leave_one_out.main([*common, "--subjects", "1", "2"])


def test_a_folder_that_another_run_uses_is_refused_until_that_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    (tmp_path / "utd").mkdir()
    asked = ["--config", str(CONFIG), "--output", str(folder), "--subjects", "1", "3", "--leave", "1"]
    asked += [f"--data.root={make(tmp_path / 'utd')}", *SMALL]
    use = f"""
import sys
from pathlib import Path
from benchmarks.training.alone import alone_in
with alone_in(Path({str(folder)!r})):
    print("in use", flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", use], cwd=CONFIG.parents[2], text=True, **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in use\n"
        assert leave_one_out.main(asked) == 1
        assert "another run is using the folder" in capsys.readouterr().err
        assert not list(folder.glob("without_*")), "and nothing of the other's is touched"
        other.kill()  # whoever is killed lets go too
    assert leave_one_out.main(asked) == 0


def test_mean_and_spread_are_of_runs() -> None:
    runs = [{"all sensors": [0.90]}, {"all sensors": [0.94]}]
    assert leave_one_out.summary(runs)[0].split()[:5] == ["all", "sensors", "92.0", "+-", "2.8"]


def test_the_final_figures_are_not_opened_by_accident_and_are_all_there_once_they_are(
    made_utd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--seeds", "0", "--sets", "utd_mhad", "--output", str(tmp_path), "--data", str(made_utd), *SMALL]
    with pytest.raises(SystemExit):
        final.main(asked)
    assert not list(tmp_path.iterdir())
    assert final.main(["--open", *asked]) == 0
    said = capsys.readouterr().out
    rows = [name for name in final.GOALS if name != "six accelerometers"]
    assert all(f"{name:<26}" in said for name in rows)
    trained = sorted(tmp_path.glob("*/checkpoints/last.ckpt"))
    before = [path.stat().st_mtime_ns for path in trained]
    assert final.main(["--open", "--resume", *asked]) == 0
    again = capsys.readouterr().out
    assert all(f"{name:<26}" in again for name in rows)
    assert [path.stat().st_mtime_ns for path in trained] == before, "nothing was trained twice"
    told = tmp_path / "utd_mhad_inertial_seed_0" / "report" / "results.json"
    told.unlink()  # as if it had been stopped
    assert final.main(["--open", "--resume", *asked[:-1], "--trainer.max_epochs=2"]) == 0
    assert told.is_file()
    kept = {p.parents[1].name.split("_")[2]: torch.load(p, weights_only=True) for p in trained}
    assert {name: state["epoch"] for name, state in kept.items()} == {"seed": 0, "inertial": 1, "skeleton": 0}
    assert kept["inertial"]["global_step"] == 2 * kept["skeleton"]["global_step"], "it went on"
    with alone_in(tmp_path / "utd_mhad_skeleton_seed_0"):
        assert final.main(["--open", "--resume", *asked]) == 1
    assert "another run is using the folder" in capsys.readouterr().err
