"""``chorus keys new|list|allow|revoke``: the keys of this machine, and those that its bus lets in."""

from __future__ import annotations

from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    actions = {"new": new, "list": show, "allow": allow, "revoke": revoke}
    if argv and argv[0] in ("-h", "--help"):
        print(
            f"usage: {program} new | {program} list | {program} allow KEY [--name NAME] [--role publish] "
            f"[--streams camera,wrist] | {program} revoke KEY_OR_NAME\n\n{__doc__}"
        )
        return 0
    if not argv or argv[0] not in actions:
        asked = f", not '{argv[0]}'" if argv else ""
        raise UsageError(f"keys needs new, list, allow or revoke{asked}", mend=f"For example: {program} list")
    return call(actions[argv[0]], argv[1:], f"{program} {argv[0]}")


def new() -> int:
    """Make this machine's keys; the secret one stays here, readable by you alone."""
    import platform

    from drivers.bus.keys import new_keys, to_hex

    key = to_hex(new_keys().public)
    print(f"This machine's key: {key}")
    print(f"On the machine that records: chorus keys allow {key} --name {_label(platform.node())}")
    return 0


def show() -> int:
    """List this machine's key and those that its bus lets in."""
    from rich.table import Table

    from drivers.bus.keys import AllowList, own_keys, to_hex
    from fusion.commands.view import plain_console

    own = own_keys()
    entries = AllowList().entries()
    print(f"This machine's key: {to_hex(own.public)}" if own else "This machine has no keys: chorus keys new")
    if not entries:
        print("No other key is let in")
        return 0
    table = Table("name", "may", "streams", "key", box=None, header_style="bold")
    for one in entries:
        streams = ", ".join(sorted(one.streams)) or "any"
        table.add_row(one.name, ", ".join(sorted(one.roles)), streams, one.key)
    plain_console().print(table)
    return 0


def allow(key: str, name: str = "unnamed", role: str = "publish", streams: str = "") -> int:
    """Let a key in, from now on; one that is listed already is changed.

    Args:
        key: as `chorus keys new` or `chorus keys list` printed it on the other machine.
        name: for people, such as the other machine's.
        role: publish (send streams), subscribe (receive all streams), control (command the session), or
            several with commas between.
        streams: it may publish these only, commas between; without it, any that no other key published.
    """
    from drivers.bus.keys import AllowList

    entry = AllowList().allow(key, _words(role), _words(streams), name)
    where = f" {', '.join(sorted(entry.streams))}" if entry.streams else ""
    print(f"{entry.name} may {', '.join(sorted(entry.roles))}{where}")
    return 0


def revoke(key: str) -> int:
    """Let a key in no more; what it sends is refused at once, and what it receives ends with its connection.

    Args:
        key: the key, or the name it was given.
    """
    from drivers.bus.keys import AllowList

    for entry in AllowList().revoke(key):
        print(f"{entry.name} is let in no more ({entry.key})")
    return 0


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _label(host: str) -> str:
    return "".join(letter for letter in host if letter.isalnum() or letter in ".-")[:63] or "other"
