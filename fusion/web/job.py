"""One upload, tracked in a process of its own: what it is, how far it is and what came of it are lines of
JSON.

The same code as ``chorus live --source FILE``: every frame, one after the other. It gives way to all else on
the machine, writes nothing outside its folder, and ends when standard input closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

NICE = 5
MAX_FILE = 4 << 30
"""Largest file that it may write, bytes."""
TELL_S = 0.2
SCREENSHOTS = 12
"""Of a video, about so many screenshots are taken, evenly spread, but not more than one a second."""


def main() -> int:
    """Do the jobs that standard input tells, one a line, until it closes; return the exit status."""
    _bounds()
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    import fusion.tracking.tracked  # noqa: F401  (while the first upload still comes in)

    while True:
        _do(json.loads(jobs.get()))


def _do(spec: dict[str, Any]) -> None:
    from drivers.errors import ChorusError

    try:
        _tell({"done": track(spec)})
    except ChorusError as error:
        name = Path(spec["source"]).name
        _tell({"error": str(error).replace(name, spec["name"])})
    except Exception as error:
        words = "it needs too much memory" if isinstance(error, MemoryError) else str(error)
        _tell({"error": f"{spec['name']} could not be tracked: {words or type(error).__name__}"})


def track(spec: dict[str, Any]) -> dict[str, Any]:
    """Track a video or a picture; return the files made and a summary.

    Raises:
        DataError: it can't be read to its end.
    """
    import numpy as np

    from fusion.model.exported import load_live
    from fusion.tracking.footage import open_footage
    from fusion.tracking.options import LiveOptions
    from fusion.tracking.outputs import Outputs
    from fusion.tracking.pose import Pose
    from fusion.tracking.tracked import track_footage

    seconds = open_footage(Path(spec["source"])).seconds  # is it one at all: before anything is loaded
    options = LiveOptions(source=spec["source"], output=spec["output"], weights=spec["weights"], events=False)
    net = load_live(options.weights)
    seen = poses = 0
    last = 0.0

    def on_pose(pose: Pose) -> None:
        nonlocal seen, poses
        poses += 1
        seen += int("camera" in pose.fed and bool(np.isfinite(pose.keypoints).all()))

    def progress(done: float, frames: int) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_S:
            last = time.monotonic()
            _tell({"progress": round(done, 3), "frames": frames})

    began = time.monotonic()
    summary = track_footage(
        options,
        net,
        spec["vision"],
        Outputs(options),
        progress=progress,
        screenshots_s=max(1.0, seconds / SCREENSHOTS),
        on_pose=on_pose,
    )
    folder = Path(spec["output"])
    figures = {
        "seconds": round(seconds, 2),
        "frames": summary.frames,
        "poses": poses,
        "seen": round(seen / poses, 3) if poses else 0.0,
        "frames_per_s": round(summary.frames / max(time.monotonic() - began, 1e-3), 1),
    }
    return {"files": _files(folder, spec["name"]), "summary": figures}


def _files(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the files in the order in which one wants them, an archive of all last."""
    stem = Path(name).stem or "upload"
    ranks = {"overlay.mp4": 0, "poses.csv": 1, "summary.json": 2}
    found = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: (ranks.get(p.name, 3), p.name)
    )
    archive = folder / "all.zip"
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_STORED) as packed:
        for path in found:
            packed.write(path, f"{stem}/{path.relative_to(folder)}")
    return [
        {
            "name": f"{stem}_{'-'.join(path.relative_to(folder).parts)}",
            "path": str(path.relative_to(folder.parent)),
            "bytes": path.stat().st_size,
        }
        for path in [*found, archive]
    ]


def _bounds() -> None:
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _listen(jobs: queue.Queue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)  # the page is gone, or needs no more; what is half-done goes with its folder


def _tell(message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
