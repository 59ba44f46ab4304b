"""``chorus export FILE --to FORMAT --output OUTPUT``: a session for other programs."""

from __future__ import annotations

import json as json_format

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(export, argv, program)


def export(
    file: str,
    *,
    to: str,
    output: str,
    streams: str = "",
    raw_times: bool = False,
    force: bool = False,
    json: bool = False,
) -> int:
    """Write a session in another format.

    Args:
        file: the session file (.h5).
        to: csv, mcap, wav, mp4 or motion-bids.
        output: the file or folder to make.
        streams: names with commas between; all that the format can take by default.
        raw_times: times of arrival in place of corrected session times.
        force: replace what an earlier export wrote there.
        json: print JSON for other programs.
    """
    from rich.console import Console

    from recordings.exporters.export import export as export_file

    names = [name.strip() for name in streams.split(",") if name.strip()]
    with Console(stderr=True).status(f"exporting to {to}"):
        report = export_file(file, to, output, streams=names, raw_times=raw_times, force=force)
    if json:
        facts = {
            "output": str(report.output),
            "streams": report.streams,
            "bytes": report.bytes,
            "notes": report.notes,
        }
        print(json_format.dumps(facts, indent=2))
        return 0
    print(f"{report.output}: {', '.join(report.streams)} ({report.bytes / 1e6:.1f} MB)")
    for note in report.notes:
        print(f"  {note}")
    return 0
