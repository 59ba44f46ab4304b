"""The benchmark of the page runs, small, and tells what it is for."""

from __future__ import annotations

import os
import subprocess
import sys

from page_runs import ROOT


def test_the_cost_of_the_page_is_measured():
    command = [sys.executable, "-m", "benchmarks.live.page", "--seconds=1", "--round=3", "--width=320"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    for words in ("no page", "nobody looks", "5 viewers", "slow viewer", "fast viewer", "goal"):
        assert words in done.stdout, done.stdout + done.stderr
