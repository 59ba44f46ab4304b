"""``chorus merge FIRST.h5 SECOND.h5 ... --output NEW.h5``: sessions recorded at the same time as one."""

from __future__ import annotations

from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    count = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    files, options = argv[:count], argv[count:]

    def merge(*, output: str, by_utc: bool = False, rename: str | None = None) -> int:
        """Copy all streams of several sessions, recorded at the same time, onto one axis of time.

        Usage: chorus merge FIRST.h5 SECOND.h5 ... --output NEW.h5

        Args:
            output: the new file.
            by_utc: join sessions of different hosts by their computers' UTC; the bound tells how sure it is.
            rename: new names of streams of the later files, as in wrist=wrist_2,camera=side.
        """
        from recordings.editing.merge import merge as merge_files

        print(merge_files(list(files), output, by_utc=by_utc, rename=_pairs(rename)))
        return 0

    return call(merge, options, program)


def _pairs(text: str | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in filter(None, (text or "").split(",")):
        old, _, new = pair.partition("=")
        pairs[old] = new
    if not all(pairs.values()):
        raise UsageError(f"--rename is '{text}'", mend="Write OLD=NEW, several with commas between")
    return pairs
