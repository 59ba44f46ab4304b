"""What a small machine gets: an environment without torch, a recording made in it, and its poses.

::

    python -m benchmarks.edge.install [--folder KEPT] [--seconds 10] [--source FILE.h5]

makes a virtual environment, installs this checkout with the extra ``edge``, proves that nothing that trains
is in it, records the simulated rig, tracks the recording with the packaged graph, and prints what that
takes: size, memory, start-up, poses a second. Times are of the processor, so that they mean the same on a
machine that has other work. Needs a package index, and a compiler where the library vqf has no wheel.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("torch", "pytorch-lightning", "lightning", "torchmetrics", "tensorboard", "roma")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", help="keep the environment here; an environment found here is used")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording")
    parser.add_argument("--source", help="track this session instead of the recorded one")
    parser.add_argument("--weights", help="an exported graph; by default the packaged one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chorus-edge-") as beside:
        folder = Path(options.folder).resolve() if options.folder else Path(beside) / "env"
        python = installed(folder)
        print(f"environment: {size_of(folder) / 1e6:.0f} MB, {len(packages(python))} packages, no torch")
        session = Path(beside) / "a.h5"
        if options.source:
            session = Path(options.source).resolve()
        else:
            rig = str(ROOT / "configs" / "rigs" / "simulated.yaml")
            words = ["record", rig, f"--duration={options.seconds}", f"--output={session}"]
            used, peak = run(python, Path(beside), *words)
            print(f"chorus record: {used / options.seconds:.1f} CPU s a second, {peak:.0f} MB a process")
        told(python, Path(beside), session, options.weights)
    return 0


def installed(folder: Path) -> Path:
    """Return the interpreter of an environment in ``folder`` with this checkout and the extra edge."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        with tempfile.TemporaryDirectory(prefix="chorus-source-") as copied:
            source = Path(copied) / "chorus"  # building leaves folders behind: not in the checkout
            source.mkdir()
            for name in ("drivers", "recordings", "fusion"):
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            for name in ("pyproject.toml", "README.md", "LICENSE"):
                shutil.copy(ROOT / name, source)
            began = time.monotonic()
            pip = [str(python), "-m", "pip", "install", "--quiet", f"{source}[edge]"]
            subprocess.run(pip, check=True, cwd=folder)
            print(f"pip install 'chorus-fusion[edge]': {time.monotonic() - began:.0f} s")
    unwanted = packages(python) & set(ABSENT)
    if unwanted:
        sys.exit(f"the environment has {', '.join(sorted(unwanted))}")
    return python


def packages(python: Path) -> set[str]:
    """Return the names of what is installed."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    return {each["name"].lower() for each in json.loads(listed.stdout)}


def size_of(folder: Path) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run(python: Path, folder: Path, *words: str) -> tuple[float, float]:
    """Run ``chorus`` in the environment; return CPU seconds and the largest process' peak memory in MB."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (folder / "said.txt").open("w") as said:
        program = subprocess.Popen(
            [str(python), "-m", "fusion.cli", *words],
            cwd=folder,
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        sys.exit(f"chorus {' '.join(words)} failed:\n{(folder / 'said.txt').read_text()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def told(python: Path, folder: Path, session: Path, weights: str | None) -> None:
    """Track a session for a moment and whole, and print what each costs."""
    words = ["live", f"--source={session}", "--film=false"]
    words += [f"--weights={Path(weights).resolve()}"] if weights else []
    run(python, folder, *words, "--duration=0.02", f"--output={folder / 'first'}")  # compiles, fills caches
    start, _ = run(python, folder, *words, "--duration=0.02", f"--output={folder / 'moment'}")
    used, peak = run(python, folder, *words, f"--output={folder / 'whole'}")
    moment, whole = (json.loads((folder / name / "summary.json").read_text()) for name in ("moment", "whole"))
    poses = whole["poses"] - moment["poses"]
    print(f"chorus live: {start:.1f} CPU s to the first pose, peak memory {peak:.0f} MB")
    print(f"chorus live: {poses} poses more, {poses / (used - start):.0f} a CPU second")


if __name__ == "__main__":
    sys.exit(main())
