"""``chorus doctor [RIG] [--json]``: what is plugged in, what stands in the way, and what mends each."""

from __future__ import annotations

import dataclasses
import json as json_format
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from drivers import discovery
from drivers.errors import ChorusError
from drivers.rig import Rig, load_rig
from fusion.commands.arguments import call, split_overrides
from fusion.doctor import bluetooth, disk, libraries, network, system, trial
from fusion.doctor.finding import Finding, found_by
from fusion.tracking.turn import usable_cores

SESSIONS = Path("sessions")
"""Where recordings go by default."""
OVER_BLUETOOTH = ("imu.ble", "imu.movella_dot")


def main(argv: list[str], program: str) -> int:
    own, overrides = split_overrides(argv)
    own = [word if word.startswith("--") else f"--rig={word}" for word in own]

    def doctor(rig: str | None = None, json: bool = False) -> int:
        """Find what stands in the way of a recording, and say the command that mends each.

        With a rig, its devices are opened and read for two seconds, all at once: does each answer, and do
        processor and disk keep up. Asks nothing of the network. Exits 0 when nothing stands in the way, 1
        otherwise.

        Args:
            rig: a rig to try, a YAML file.
            json: print JSON for other programs.
        """
        return run(rig, overrides, json=json)

    return call(doctor, own, program)


def run(rig_path: str | None, overrides: list[str], *, json: bool) -> int:
    """Look at everything; return the exit status."""
    versions, findings = libraries.versions()
    rig, refused = _rig(rig_path, overrides)
    findings += refused
    drivers = [stream.driver for stream in rig.streams.values() if not stream.remote] if rig else []
    devices = _devices(findings)
    trials = trial.try_all(rig) if rig else []
    cores = usable_cores()
    room = disk.measure(SESSIONS)
    checks: list[Callable[[], Iterable[Finding]]] = [
        system.python,
        lambda: system.open_files(len(drivers)),
        system.clock,
        system.busy,
        system.turn,
        lambda: libraries.extras(drivers),
        lambda: bluetooth.adapter(needed=any(name in OVER_BLUETOOTH for name in drivers)),
        lambda: network.ports(rig) if rig else (),
        lambda: trial.judge(trials, cores, rig_path or ""),
        lambda: disk.judge(room, sum(one.bytes_s for one in trials)),
    ]
    for check in checks:
        findings += found_by(check)
    findings = _with_users(findings, rig)
    report = {
        "ok": all(finding.note for finding in findings),
        "system": {"python": platform.python_version(), "system": platform.platform(), "cores": cores},
        "libraries": versions,
        "devices": [dataclasses.asdict(device) for device in devices],
        "weights": _weights(),
        "disk": dataclasses.asdict(room),
        "rig": [dataclasses.asdict(one) for one in trials],
        "problems": [{"what": one.what, "mend": one.mend} for one in findings if not one.note],
        "notes": [{"what": one.what, "mend": one.mend} for one in findings if one.note],
    }
    if json:
        print(json_format.dumps(report, indent=2))
    else:
        _print(report, devices, trials)
    return 0 if report["ok"] else 1


def _rig(path: str | None, overrides: list[str]) -> tuple[Rig | None, list[Finding]]:
    if path is None:
        return None, []
    try:
        return load_rig(path, overrides), []
    except ChorusError as error:
        return None, [Finding(error.what, error.mend)]


def _devices(findings: list[Finding]) -> list[discovery.Found]:
    devices: list[discovery.Found] = []
    for list_devices in (discovery.cameras, discovery.serial_ports, discovery.microphones):
        try:
            devices += list_devices()
        except (OSError, ImportError):
            continue  # the library is among the findings already
    findings += [Finding(f"{one.kind} {one.name}: {one.problem}", one.mend) for one in devices if one.problem]
    return devices


def _with_users(findings: list[Finding], rig: Rig | None) -> list[Finding]:
    """Name the program that holds a serial port of the rig."""
    from drivers.camera.linux import users

    named = []
    for finding in findings:
        for stream in rig.streams.values() if rig else ():
            port = getattr(stream.options, "port", None)
            if isinstance(port, str) and port in finding.what and "in use" in finding.what:
                holders = ", ".join(users(Path(port)))
                what = finding.what.replace("another program", holders) if holders else finding.what
                finding = dataclasses.replace(finding, what=what)
        named.append(finding)
    return named


def _weights() -> list[dict[str, object]]:
    from fusion.weights import list_weights

    return [
        {key: getattr(entry, key) for key in ("name", "licence", "source", "cached")}
        for entry in list_weights()
    ]


def _print(report: dict[str, Any], devices: list[discovery.Found], trials: list[trial.Trial]) -> None:
    from rich.console import Console
    from rich.table import Table

    console, facts, room = Console(), report["system"], report["disk"]
    console.print(f"Python {facts['python']}, {facts['cores']} cores, {facts['system']}", highlight=False)
    in_order = sum(version is not None for version in report["libraries"].values())
    console.print(f"libraries: {in_order} of {len(report['libraries'])} in order")
    speed = f", {room['speed'] / 1e6:.0f} MB/s" if room["speed"] else ""
    console.print(f"recordings: {room['free'] / 1e9:.1f} GB free{speed} in {room['folder']}", highlight=False)
    table = Table("kind", "name in a rig", "what", "state", box=None, header_style="bold")
    for device in devices:
        state = f"[red]{device.problem}" if device.problem else "[green]ready"
        table.add_row(device.kind, device.name, device.description, state)
    if devices:
        console.print(table)
    else:
        console.print("devices: none found; the simulated rig works without any: chorus demo")
    tried = Table("stream", "rows/s", "nominal", "cores", "MB/s", box=None, header_style="bold")
    for one in trials:
        figures = (f"{one.measured:.1f}", f"{one.nominal:g}", f"{one.cores:.2f}", f"{one.bytes_s / 1e6:.2f}")
        tried.add_row(one.stream, *(("[red]failed",) if one.what else figures))
    if trials:
        console.print(tried)
    for mark, key in (("[yellow]![/yellow]", "notes"), ("[red]✗[/red]", "problems")):
        for finding in report[key]:
            console.print(
                f"{mark} {finding['what']}\n  mend: [bold]{finding['mend']}[/bold]", highlight=False
            )
    if report["ok"]:
        console.print("[green]✓[/green] nothing stands in the way")
