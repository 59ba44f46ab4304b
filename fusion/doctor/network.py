"""Ports that a rig listens on: taken by another program, or behind a firewall."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from drivers.rig import Rig
from fusion.doctor.finding import Finding

PROC = Path("/proc")
UFW, FIREWALLD = Path("/etc/ufw/ufw.conf"), Path("/run/firewalld")


def ports(rig: Rig) -> Iterator[Finding]:
    """Ports that a rig names and that cannot be had, or that a firewall may close."""
    for name, kind, host, port in _listening(rig):
        problem = _taken(kind, host, port)
        if problem:
            yield Finding(
                f"{name}: {kind} port {port} {problem}", f"Close that program, or set another port for {name}"
            )
        elif not host.startswith("127.") and (wall := _firewall(port, kind)):
            yield Finding(f"{name}: a firewall is on, which may close {kind} port {port}", wall, note=True)


def _listening(rig: Rig) -> Iterator[tuple[str, str, str, int]]:
    """Return (what, tcp or udp, host, port) of all fixed ports."""
    places = [("the bus", "tcp", rig.bus.listen.removeprefix("tcp://"))]
    for name, stream in rig.streams.items():
        if not stream.remote and stream.driver == "imu.udp":
            places.append((name, "udp", stream.options.listen))
    for name, kind, place in places:
        host, _, port = place.rpartition(":")
        if port.isdigit() and int(port):
            yield name, kind, host.strip("[]").replace("*", "0.0.0.0"), int(port)


def _taken(kind: str, host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as probe:
        try:
            if kind == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"is in use by {', '.join(_holders(kind, port)) or 'another program'}"
            return f"cannot be had at {host}: {error.strerror}"
    return ""


def _holders(kind: str, port: int) -> list[str]:
    """Return the programs that hold a port, as far as this user may see it; on Linux only."""
    inodes: set[str] = set()
    for table in (kind, f"{kind}6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                cells = line.split()
                if int(cells[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{cells[9]}]")
    found = []
    for process in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} ({process.name})")
    return sorted(found)


def _firewall(port: int, kind: str) -> str:
    with contextlib.suppress(OSError):
        if "ENABLED=yes" in UFW.read_text():
            return f"sudo ufw allow {port}/{kind}"
    return f"sudo firewall-cmd --add-port={port}/{kind}" if FIREWALLD.is_dir() else ""
