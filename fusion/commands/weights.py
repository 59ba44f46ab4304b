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
    """List the weights of every front end: source, licence, SHA-256, and how to get them."""
    from fusion.commands.view import plain_console, table
    from fusion.vision.sources import brought
    from fusion.weights import WEIGHTS, list_weights

    console = plain_console()
    console.print("[bold]fetched once, and checked:[/] chorus weights get NAME")
    fetched = table("name", "licence", "here", "from", "SHA-256")
    for entry in list_weights():
        sums = ", ".join(file.sha256[:16] for file in WEIGHTS[entry.name].files.values())
        fetched.add_row(entry.name, entry.licence, "yes" if entry.cached else "no", entry.source, sums)
    console.print(fetched)
    console.print("\n[bold]yours to bring:[/] give the file with --vision, as the line says")
    for entry in brought():
        console.print(f"[bold]{entry.name}[/]  {entry.about}", highlight=False)
        console.print(f"    {entry.licence}; {entry.source}", highlight=False)
        if entry.sha256:
            console.print(f"    SHA-256 of the file that was tried: {entry.sha256}", highlight=False)
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
