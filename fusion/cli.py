"""``chorus`` and its verbs.

Each verb lives in a file of its own under ``fusion.commands`` and is imported only when called, so that
``chorus --help`` answers at once and torch is loaded by the verbs that need it alone.
"""

from __future__ import annotations

import importlib
import sys

from drivers.errors import ChorusError

VERBS: dict[str, tuple[str, str]] = {
    "doctor": ("fusion.commands.doctor", "find what stands in the way of recording, and say what mends it"),
    "devices": ("fusion.commands.devices", "list what is plugged in; --probe listens to serial ports"),
    "record": ("fusion.commands.record", "record a rig into a session file"),
    "mark": ("fusion.commands.mark", "mark this moment in what is being recorded"),
    "note": ("fusion.commands.note", "change what a session says of its subject and task"),
    "label": ("fusion.commands.label", "add labels to a session from a CSV table of intervals"),
    "info": ("fusion.commands.info", "say what a session file holds"),
    "check": ("fusion.commands.check", "prove a session file sound, or say what is wrong"),
    "repair": ("fusion.commands.repair", "make a sound copy of an interrupted or damaged session"),
    "trim": ("fusion.commands.trim", "copy a stretch of a session into a new file"),
    "merge": ("fusion.commands.merge", "join sessions recorded at the same time into one"),
    "anonymise": ("fusion.commands.anonymise", "copy a session without what tells who was recorded"),
    "resync": ("fusion.commands.resync", "estimate a recording's times again, better, into a new file"),
    "export": ("fusion.commands.export", "write a session as CSV, MCAP, WAV or MP4"),
    "import": ("fusion.commands.importing", "turn XDF, OpenPose or a public data set into sessions"),
    "calibrate": ("fusion.commands.calibrate", "calibrate devices: calibrate --help lists what"),
    "triangulate": ("fusion.commands.triangulate", "find a person in 3D from several calibrated cameras"),
    "board": ("fusion.commands.board", "write the board that cameras are calibrated with, as a PDF"),
    "drive": ("fusion.commands.drive", "run one device of a rig on another host"),
    "keys": ("fusion.commands.keys", "the keys of this machine, and those its bus lets in"),
    "data": ("fusion.commands.data", "say what data sets hold, and what they lack: data check FOLDER"),
    "replay": ("fusion.commands.replay", "put a recording back onto a bus at its own pace"),
    "train": ("fusion.commands.train", "train the fusion network (same as train.py)"),
    "evaluate": ("fusion.commands.evaluate", "say what weights are worth on data, baselines beside them"),
    "pose": ("fusion.commands.pose", "poses of pictures, videos and cameras as CSV, JSON, TRC and film"),
    "extract": ("fusion.commands.extract", "run a vision front end over a folder of sessions"),
    "export-model": ("fusion.commands.export_model", "write a trained network for ONNX Runtime or LiteRT"),
    "live": ("fusion.commands.live", "track a rig, or a recording, live (same as live.py)"),
    "serve": ("fusion.commands.serve", "the page alone: track videos and pictures uploaded in a browser"),
    "compare": (
        "fusion.commands.compare",
        "front ends side by side: agreement, speed, and against the truth",
    ),
    "weights": ("fusion.commands.weights", "list and fetch the weights of pose networks"),
    "demo": ("fusion.commands.demo", "record a simulated rig, train briefly, track, open a report"),
}

USAGE_ERROR = 2

TRAIN = ("torch", "pytorch_lightning", "torchmetrics", "roma")
"""Modules that the extra ``train`` brings."""


def usage() -> str:
    """Return the text of ``chorus --help``."""
    verbs = "\n".join(f"  {verb:<12} {what}" for verb, (_, what) in VERBS.items())
    return (
        "usage: chorus VERB [...]\n\n"
        "Record camera, wearable IMUs and microphone in one time; fuse them into pose and action.\n\n"
        f"{verbs}\n\n"
        "chorus VERB --help tells more. First steps: chorus demo, then chorus doctor."
    )


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return its exit status; every expected error is one line on stderr."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else USAGE_ERROR
    if argv[0] == "--version":
        from importlib.metadata import version

        print(f"chorus {version('chorus-fusion')}")
        return 0
    verb = argv[0]
    if verb not in VERBS:
        import difflib

        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"Did you mean `chorus {near[0]}`?" if near else "`chorus --help` lists the verbs."
        print(f"chorus: there is no verb {verb!r}. {hint}", file=sys.stderr)
        return USAGE_ERROR
    return run(VERBS[verb][0], argv[1:], f"chorus {verb}")


def run(module: str, argv: list[str], program: str) -> int:
    """Run ``main(argv, program)`` of a module, turning expected errors into one line."""
    try:
        return importlib.import_module(module).main(argv, program)
    except ChorusError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in TRAIN:
            raise
        mend = "pip install 'chorus-fusion[train]'"
        print(f"{program}: {error.name} is not installed. {mend}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(f"{program}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
