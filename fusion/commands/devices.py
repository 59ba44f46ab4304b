"""``chorus devices [--probe]``: what is plugged in, and what serial ports say when they are listened to."""

from __future__ import annotations

import dataclasses
import json as json_format
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from drivers import discovery
from drivers.imu.serial.probe import Heard, probe
from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(devices, argv, program)


def devices(probe: bool = False, ports: str = "", json: bool = False) -> int:
    """List cameras, microphones and serial ports, by the names that a rig gives them.

    Exits 0; with --probe, 1 if a port was listened to and not understood.

    Args:
        probe: open the serial ports that nobody uses and listen: protocol, baud rate, rate and channels.
            A board that resets when its port is opened, as Arduinos do, is reset.
        ports: serial ports to list and probe, separated by commas; all that the system knows by default.
        json: print JSON for other programs.
    """
    found = _serial(ports)
    if not ports:
        for others in (discovery.cameras, discovery.microphones):
            try:
                found += others()
            except (OSError, ImportError):
                continue  # `chorus doctor` says what is missing
    heard = _heard([one.name for one in found if one.kind == "serial"]) if probe else {}
    if json:
        tree = [dataclasses.asdict(one) | _facts(heard.get(one.name)) for one in found]
        print(json_format.dumps(tree, indent=2))
    else:
        _print(found, heard, probe)
    return int(any(one.problem for one in heard.values()))


def _serial(ports: str) -> list[discovery.Found]:
    known = {one.name: one for one in discovery.serial_ports()}
    names = [name.strip() for name in ports.split(",") if name.strip()] or list(known)
    return [known.get(name) or discovery.Found("serial", name, "") for name in names]


def _heard(ports: Sequence[str]) -> dict[str, Heard]:
    if not ports:
        return {}
    with ThreadPoolExecutor(len(ports)) as pool:
        return dict(zip(ports, pool.map(probe, ports), strict=True))


def _facts(heard: Heard | None) -> dict[str, object]:
    return {} if heard is None else {"heard": dataclasses.asdict(heard)}


def _print(found: list[discovery.Found], heard: dict[str, Heard], probed: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=True)
    table = Table("kind", "name in a rig", "what", box=None, header_style="bold")
    for one in found:
        table.add_row(one.kind, one.name, one.description)
        if one.problem:
            table.add_row("", "", f"[red]{escape(one.problem)}[/]; {escape(one.mend)}")
        for mode in one.modes:
            table.add_row("", "", f"[dim]{mode}")
    if found:
        console.print(table)
    else:
        console.print("none found; `chorus doctor` says what may be missing")
    for port, one in heard.items():
        if one.problem:
            console.print(f"{port}: {one.problem}. {one.mend}", highlight=False, markup=False)
            continue
        console.print(
            f"{port}: {one.protocol} at {one.baudrate} baud, {one.rate_hz:g} Hz: {', '.join(one.channels)}",
            highlight=False,
        )
        console.print(
            f"  {{driver: imu.serial, port: {port}, protocol: {one.protocol}, baudrate: {one.baudrate}}}",
            highlight=False,
            markup=False,
        )
    if not probed and any(one.kind == "serial" for one in found):
        console.print("chorus devices --probe listens to the serial ports (a board may be reset by that)")
