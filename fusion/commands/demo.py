"""``chorus demo``: record a simulated rig, train briefly, track live, and show it all on one page.

::

    configs/rigs/simulated.yaml --record--> session.h5 --train--> weights --live--> poses, film
                                                 \\___________________\\_______________\\--> report.html
"""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
from pathlib import Path

from drivers.errors import ChorusError, ConfigError, RecordingExists
from drivers.rig import load_rig
from fusion.commands.arguments import call

ROOT = Path(__file__).resolve().parent.parent.parent
RIG = ROOT / "configs" / "rigs" / "simulated.yaml"
EXPERIMENT = ROOT / "configs" / "experiment" / "demo.yaml"

TRAINING_SEED, TRACKING_SEED = 1, 2
"""The body that is tracked moves otherwise than the one that was learnt."""


def main(argv: list[str], program: str) -> int:
    return call(demo, argv, program)


def demo(output: str | None = None, record_s: float = 45.0, live_s: float = 20.0) -> int:
    """Record a simulated rig, train briefly, track live, and show it all on one page.

    Args:
        output: folder for everything that comes of it; by default demo/TIME. Never overwritten.
        record_s: how long to record, s.
        live_s: how long to track, s.
    """
    if record_s < 5 or live_s < 5:
        raise ConfigError(
            "the demo needs at least 5 s of each part", mend="give --record_s and --live_s of 5 or more"
        )
    begin = time.monotonic()
    folder = _new_folder(output)
    session, runs, live = folder / "session.h5", folder / "training", folder / "live"
    say = _Steps(4)

    say(f"record {record_s:.0f} s of a simulated body: camera, six IMUs, microphone")
    _chorus("record", str(RIG), f"--duration={record_s}", f"--output={session}", *_seed(TRAINING_SEED))
    _chorus("check", str(session))

    say("train the fusion network on that session")
    _chorus("train", "fit", "--config", str(EXPERIMENT), f"--data.session={session}", f"--output={runs}")
    weights = max(runs.rglob("*.ckpt"), key=lambda path: path.stat().st_mtime)

    say(f"track another body live for {live_s:.0f} s")
    _chorus(
        "live",
        str(RIG),
        f"--duration={live_s}",
        f"--weights={weights}",
        f"--output={live}",
        *_seed(TRACKING_SEED),
    )

    say("write the report")
    report = folder / "report.html"
    from fusion.report.demo import write_report

    write_report(report, session, runs, live, load_rig(RIG, _seed(TRACKING_SEED)))
    print(f"\nThe demo took {time.monotonic() - begin:.0f} s. Open the report:\n{report.resolve()}")
    return 0


class _Steps:
    """Says which step begins."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0

    def __call__(self, what: str) -> None:
        self._done += 1
        print(f"\n[{self._done}/{self._count}] {what}", flush=True)


def _new_folder(output: str | None) -> Path:
    folder = Path(output or f"demo/{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RecordingExists(
            f"{folder} exists already and is not overwritten", mend="give another --output"
        ) from None
    return folder


def _seed(seed: int) -> list[str]:
    return [f"--streams.{name}.seed={seed}" for name in load_rig(RIG).streams]


def _chorus(*argv: str) -> None:
    """Run a verb just as a user would.

    Raises:
        ChorusError: it failed; it has said why.
    """
    print("$ chorus " + " ".join(_short(word) for word in argv), flush=True)
    done = subprocess.run([sys.executable, "-m", "fusion.cli", *argv], check=False)
    if done.returncode:
        raise ChorusError(f"chorus {argv[0]} failed (exit {done.returncode})", mend="see what it said above")


def _short(word: str) -> str:
    key, equals, value = word.rpartition("=")
    path = Path(value)
    return f"{key}{equals}{path.relative_to(ROOT)}" if path.is_relative_to(ROOT) else word
