"""What a session says of its subject and task, changed afterwards: ``chorus note``.

The session is written anew, and then takes the old one's place at once: whatever happens, one of the two is
whole, and what was said before is not in the new one.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from recordings import layout
from recordings.editing.copying import history, refuse_damage, rewrite
from recordings.metadata import check_metadata
from recordings.reader import open_recording


def note(
    path: Path | str,
    *,
    subject: str | None = None,
    task: str | None = None,
    metadata: dict[str, str] | None = None,
) -> layout.SessionAttributes:
    """Change what a session says of itself; return what it says now.

    Args:
        path: the session file.
        subject, task: new ones, or None to leave them.
        metadata: by name; an empty text takes the name away.

    Raises:
        ConfigError: a value makes no sense.
        RecordingError: the session must be repaired first, or there is no room for the copy.
    """
    path = Path(path)
    metadata = metadata or {}
    fresh = check_metadata({name: value for name, value in metadata.items() if value})
    with open_recording(path) as recording:
        refuse_damage(recording)
        old = recording.session
    session = dataclasses.replace(
        old,
        subject=old.subject if subject is None else " ".join(subject.split())[:1000],
        task=old.task if task is None else " ".join(task.split())[:1000],
        metadata={k: v for k, v in old.metadata.items() if k not in metadata} | fresh,
    )
    if session == old:
        return old
    changed = [
        name for name in ("subject", "task", "metadata") if getattr(session, name) != getattr(old, name)
    ]
    session = dataclasses.replace(session, edits=history(old, "note", changed=changed))
    rewrite(path, session)
    return session


def edits_of(session: layout.SessionAttributes) -> list[dict[str, object]]:
    """Return the history of a session, oldest first."""
    return [json.loads(edit) for edit in session.edits]
