"""``chorus note FILE [--subject S01] [--task squat] [--metadata.age=31]``: what is known of a session."""

from __future__ import annotations

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    own = [word for word in argv if not word.startswith("--metadata.")]
    facts = [word for word in argv if word.startswith("--metadata.")]

    def note(file: str, subject: str | None = None, task: str | None = None) -> int:
        """Change what a session says of its subject, its task and itself.

        Further facts: --metadata.age=31, or --metadata.age= to take one away. Rows and times stay.

        Args:
            file: the session file (.h5).
            subject: who was recorded.
            task: what they did.
        """
        from recordings.editing.note import note as note_file

        metadata = {}
        for word in facts:
            name, _, value = word.removeprefix("--metadata.").partition("=")
            metadata[name] = value
        session = note_file(file, subject=subject, task=task, metadata=metadata)
        print(f"subject: {session.subject or '-'}, task: {session.task or '-'}")
        for name, value in session.metadata.items():
            print(f"{name}: {value}")
        return 0

    return call(note, own, program)
