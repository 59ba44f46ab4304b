"""Sessions extracted by Ray Data, on this machine or on a cluster that sees the same folders."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.errors import ChorusError, MissingDependency
from fusion.extract.local import Job, Told


def run_on_ray(jobs: Sequence[Job], vision: str, pictures: bool, workers: int, told: Told) -> dict[Path, str]:
    """Do the jobs; return what went wrong, by session. A task whose worker dies is run again by Ray.

    Args:
        jobs: sessions.
        vision: front end, as :func:`fusion.vision.base.front_end` takes it.
        pictures: keep the pictures as well.
        workers: tasks at a time.
        told: progress.

    Raises:
        MissingDependency: Ray is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries about one another
            ray: Any = importlib.import_module("ray")
            importlib.import_module("ray.data")
    except ImportError:
        raise MissingDependency("Ray is not installed", mend="pip install 'chorus-fusion[ray]'") from None

    def one(row: dict[str, Any]) -> dict[str, Any]:
        from fusion.extract.session import extract

        output = Path(row["output"])
        try:
            if not output.exists():  # else a worker made it and died before it said so
                extract(Path(row["source"]), output, vision, pictures=pictures)
            return {"source": row["source"], "error": ""}
        except ChorusError as error:
            return {"source": row["source"], "error": str(error)}

    begun = not ray.is_initialized()
    if begun:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        tasks = ray.data.TaskPoolStrategy(size=workers)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        rows = [{"source": str(source), "output": str(output)} for source, output in jobs]
        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(one, compute=tasks)
        failed: dict[Path, str] = {}
        for row in done.iter_rows():
            told(Path(row["source"]), 1.0)
            if row["error"]:
                failed[Path(row["source"])] = row["error"]
        return failed
    finally:
        if begun:
            ray.shutdown()
