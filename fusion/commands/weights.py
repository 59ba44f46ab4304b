"""``chorus weights list|get``: the weights of pose networks, where they come from and their licence."""

from __future__ import annotations

from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    actions = {"list": show, "get": get}
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: {program} list | {program} get NAME\n\n{__doc__}")
        return 0
    if not argv or argv[0] not in actions:
        asked = f", not '{argv[0]}'" if argv else ""
        raise UsageError(f"weights needs list or get{asked}", mend=f"For example: {program} list")
    return call(actions[argv[0]], argv[1:], f"{program} {argv[0]}")


def show() -> int:
    """List the weights that Chorus knows: source, licence, and whether they are here."""
    from rich.table import Table

    from fusion.commands.view import plain_console
    from fusion.weights import list_weights

    table = Table("name", "licence", "here", "from", box=None, header_style="bold")
    for entry in list_weights():
        table.add_row(entry.name, entry.licence, "yes" if entry.cached else "no", entry.source)
    plain_console().print(table)
    return 0


def get(name: str) -> int:
    """Fetch weights, check their SHA-256 and keep them in the user's cache.

    Args:
        name: as `chorus weights list` prints it.
    """
    from fusion.weights import get_weights

    for path in get_weights(name).values():
        print(path)
    return 0
