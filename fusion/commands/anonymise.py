"""``chorus anonymise FILE --output NEW.h5``: a session that does not tell who was recorded."""

from __future__ import annotations

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(anonymise, argv, program)


def anonymise(
    file: str,
    *,
    output: str,
    keep_pictures: bool = False,
    keep_sound: bool = False,
    keep_date: bool = False,
    subject: str = "",
) -> int:
    """Copy a session without what identifies a person, and say what was taken away and what remains.

    Args:
        file: the session file (.h5).
        output: the new file.
        keep_pictures: leave pictures in; faces identify people.
        keep_sound: leave sound in; voices identify people.
        keep_date: leave the date and time of day in.
        subject: a pseudonym in place of the subject.
    """
    from recordings.editing.anonymise import anonymise as anonymise_file

    report = anonymise_file(
        file,
        output,
        keep_pictures=keep_pictures,
        keep_sound=keep_sound,
        keep_date=keep_date,
        subject=subject,
    )
    print("taken away: " + "; ".join(report.removed))
    print("look at what remains: " + ("; ".join(report.remains) or "rows and times alone"))
    print(report.output)
    return 0
