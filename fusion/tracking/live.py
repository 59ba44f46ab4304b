"""``live.py`` and ``chorus live``: track a rig's devices, or a recording."""

from __future__ import annotations

from pathlib import Path

from drivers.private import forbid_dumps
from drivers.rig import Rig, load_rig
from fusion.commands.arguments import UsageError, check_positive, split_overrides
from fusion.commands.arguments import parse as parse_arguments
from fusion.features.spec import FeatureSpec
from fusion.tracking.options import LiveOptions
from fusion.web.config import check_page

MOST_PEOPLE = 16


def main(argv: list[str], program: str = "live.py") -> int:
    """Parse the command line, track, print the summary and where the outputs are.

    Raises:
        ChorusError: of every kind, one line each.
    """
    rig, options = parse(argv, program)
    if rig is not None and rig.private:
        forbid_dumps()
    from fusion.tracking.run import run

    summary, folder = run(options, rig)
    print(summary)
    for name in sorted(path.name for path in folder.iterdir()):
        print(folder / name)
    return 0


def parse(argv: list[str], program: str) -> tuple[Rig | None, LiveOptions]:
    """Return the rig, or None without one, and the options.

    Raises:
        ConfigError: an argument, a key or the rig is wrong.
    """
    import jsonargparse

    mine, overrides = split_overrides(argv, own=("vision",))
    parser = jsonargparse.ArgumentParser(
        prog=program,
        description="Track a rig's devices, or a recording, with the fused network.",
        exit_on_error=False,
    )
    parser.add_argument(
        "rig", nargs="?", type=str, help="rig file; its keys are set as --streams.NAME.KEY=VALUE"
    )
    parser.add_argument("--config", action="config", help="YAML file of the options below")
    parser.add_class_arguments(LiveOptions, as_group=False)
    parsed = parse_arguments(parser, mine, program).as_dict()
    values = {name: parsed[name] for name in LiveOptions.__dataclass_fields__}
    options = LiveOptions(**{**values, "features": FeatureSpec(**values["features"])})
    _check(options, parsed["rig"], overrides)
    return load_rig(Path(parsed["rig"]), overrides) if parsed["rig"] else None, options


def _check(options: LiveOptions, rig: str | None, overrides: list[str]) -> None:
    if rig is None and options.source is None:
        raise UsageError(
            "there is nothing to track", mend="Give a rig (configs/rigs/simulated.yaml) or --source FILE.h5"
        )
    if rig is None and overrides:
        raise UsageError(f"{overrides[0]} sets a key of a rig, but none is given", mend="Name the rig first")
    check_positive("--duration", options.duration, "seconds")
    if not 1 <= options.people <= MOST_PEOPLE:
        raise UsageError(f"--people is {options.people}", mend=f"Give 1 to {MOST_PEOPLE}")
    if not 0 < options.patience_s <= 10:
        raise UsageError(f"--patience_s is {options.patience_s}", mend="Give seconds, at most 10")
    if options.web and options.source is not None and not options.realtime:
        raise UsageError("--web shows what is live", mend="Add --realtime to replay at its own pace")
    if options.web:
        check_page(options.web_host, options.web_port)
    if options.film_width < 64:
        raise UsageError(f"--film_width is {options.film_width}", mend="Give px, at least 64")
