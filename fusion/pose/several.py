"""All that a command line names, one after the other, each into its folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.errors import ChorusError, ConfigError, RecordingError
from fusion.pose.frame import joint_set
from fusion.pose.inputs import Source, Stop, sources_of
from fusion.pose.options import PoseOptions
from fusion.pose.run import Report, pose_of
from fusion.tracking.folder import refuse_taken
from fusion.vision.base import front_end_of

Told = Callable[[str, str, float, int], None]
"""Is told the source, what is done, the fraction of it, and how many pictures."""


def poses_of(
    inputs: Sequence[str],
    folder: Path,
    vision: str,
    options: PoseOptions,
    stop: Stop,
    told: Told,
    done: Callable[[Report], None],
    *,
    fps: float = 0.0,
) -> None:
    """Look at everything and write what is seen.

    All is tried before anything is written: the folder is new, the joint set and the front end are known, and
    each input can be opened.

    Args:
        inputs: words of a command line; see :func:`fusion.pose.inputs.sources_of`.
        folder: a new folder, or an empty one.
        vision: name of the front end.
        options: choices.
        stop: whether to end early.
        told: is told of the progress.
        done: is given what came of each source; of several, of one that cannot be read, too.
        fps: pictures of a folder are a film of so many a second; 0: they stand alone.

    Raises:
        ChorusError: something is wrong; what was written before is kept.
    """
    refuse_taken(folder)
    if options.skeleton:
        joint_set(options.skeleton)
    if not options.outputs:
        raise ConfigError("there is nothing to write", mend="Name an output with --write, such as csv")
    sources = sources_of(inputs, fps=fps, fetch=not options.privacy, stop=stop)
    with contextlib.ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        endless = [source.name for source in sources[:-1] if source.live and options.duration is None]
        if endless:
            raise ConfigError(
                f"{endless[0]} is looked at until Ctrl-C, and what is named after it never would be",
                mend="Give --duration, or a command of its own to each",
            )
        eyes = stack.enter_context(front_end_of(vision, options.people))
        for source in sources:
            if stop():
                return
            name = source.name
            into = folder if len(sources) == 1 else folder / name

            def telling(what: str, fraction: float, frames: int, name: str = name) -> None:
                told(name, what, fraction, frames)

            try:
                done(pose_of(source, eyes, into, options, stop, telling))
            except ChorusError as error:  # nothing of it could be read: the others may be
                if len(sources) == 1 or isinstance(error, RecordingError):
                    raise
                done(Report(None, 0, source.live, 0, 0, 0.0, [], error))
            _closed(source)


def _closed(source: Source) -> None:
    with contextlib.suppress(ChorusError, OSError):
        source.close()
