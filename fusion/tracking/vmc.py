"""Poses as OSC messages of the Virtual Motion Capture protocol, for Blender, Unity, Unreal, VSeeFace ...

One UDP packet with one OSC bundle for each pose: ``/VMC/Ext/OK``, ``/VMC/Ext/T``, ``/VMC/Ext/Root/Pos`` and
``/VMC/Ext/Bone/Pos`` of VRM's humanoid bones (https://protocol.vmc.info). Axes are Unity's: x right, y up, z
forward, left-handed; a bone's rotation is that against its parent, none in a T-pose.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from drivers.errors import ConfigError
from fusion.segments import JOINT, SEGMENT
from fusion.tracking.levelled import Array, Leveller
from fusion.tracking.motionfiles import BONES
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Sink

PORT = 39539
"""What receivers of the protocol listen on by default."""

_UNITY = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""x forward, y left, z up to Unity's axes."""
_VRM = {
    **{name: name for name in ("Hips", "Spine", "Head", "Hand", "Foot")},
    "Arm": "UpperArm",
    "ForeArm": "LowerArm",
    "UpLeg": "UpperLeg",
    "Leg": "LowerLeg",
}
_HANGS = {
    side: Rotation.from_euler("x", -way * 90.0, degrees=True).as_matrix()
    for side, way in (("Left", 1.0), ("Right", -1.0))
}
"""From an arm that is held out to one that hangs, which is how segments are counted."""


def bone_name(name: str) -> str:
    """Return VRM's name of one of :data:`fusion.tracking.motionfiles.BONES`."""
    for side in ("Left", "Right"):
        if name.startswith(side):
            return side + _VRM[name.removeprefix(side)]
    return _VRM[name]


def bones_of(rotations: Array) -> dict[str, Array]:
    """Return the quaternion xyzw (4,) of each bone by VRM's name, in Unity's axes.

    Args:
        rotations: (15, 3, 3) segments to a world with z up.
    """
    world: dict[str, Array] = {}
    out: dict[str, Array] = {}
    for name, parent, part, _ in BONES:
        turn = rotations[SEGMENT[part]]
        side = next((side for side in _HANGS if name.startswith(side)), None)
        if side is not None and name.removeprefix(side) in ("Arm", "ForeArm", "Hand"):
            turn = turn @ _HANGS[side]
        world[name] = turn
        local = turn if not parent else world[parent].T @ turn
        out[bone_name(name)] = Rotation.from_matrix(_UNITY @ local @ _UNITY.T).as_quat()
    return out


def message(address: str, values: Sequence[str | int | float]) -> bytes:
    """Return an OSC 1.0 message."""

    def text(value: str) -> bytes:
        raw = value.encode("ascii") + b"\0"
        return raw + b"\0" * (-len(raw) % 4)

    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            tags, body = tags + "s", body + text(value)
        elif isinstance(value, int):
            tags, body = tags + "i", body + struct.pack(">i", value)
        else:
            tags, body = tags + "f", body + struct.pack(">f", value)
    return text(address) + text(tags) + body


def bundle(messages: Sequence[bytes]) -> bytes:
    """Return an OSC bundle to be taken at once."""
    return b"#bundle\0" + struct.pack(">Q", 1) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


class VmcSink(Sink):
    """Sends each pose whose rotations are known; who does not listen costs nothing.

    The protocol knows one body a port. Of several people the wearer of the sensors, or the one that came
    first, goes to the port that is named, each of the others to the next one that is free.

    Args:
        target: ``HOST`` or ``HOST:PORT``.
        people: how many there may be.

    Raises:
        ConfigError: the target is none.
    """

    name = "vmc"

    def __init__(self, target: str, people: int = 1) -> None:
        host, _, port = target.rpartition(":") if ":" in target else (target, "", str(PORT))
        if not host or not port.isdecimal() or not 0 < int(port) <= 65536 - people:
            raise ConfigError(
                f"vmc: {target} is no receiver", mend=f"Give HOST or HOST:PORT, such as 127.0.0.1:{PORT}"
            )
        try:
            found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ConfigError(
                f"vmc: {host} is not known: {error.strerror}", mend="Give its IP address"
            ) from error
        self._to, self._people = found[4], people
        self._socket = socket.socket(found[0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._levels: dict[int, Leveller] = {}
        self._ports: dict[int, int] = {}  # of each person, counted from the one that is named
        self.sent = 0

    def pose(self, pose: Pose) -> None:
        """Send a pose."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Send everybody's poses, the first one's to the port that is named."""
        there = {pose.person for pose in poses[: self._people]}
        self._levels = {person: level for person, level in self._levels.items() if person in there}
        ports = {person: port for person, port in self._ports.items() if person in there and port}
        ports[poses[0].person] = 0
        for pose in poses[: self._people]:
            free = (port for port in range(self._people) if port not in ports.values())
            ports.setdefault(pose.person, next(free, 0))
            self._send(pose, ports[pose.person])
        self._ports = ports

    def _send(self, pose: Pose, port: int) -> None:
        level = self._levels.setdefault(pose.person, Leveller())(pose)
        if level.rotations is None:
            return
        none = (0.0, 0.0, 0.0)
        place = _UNITY @ level.joints[JOINT["pelvis"]]
        messages = [message("/VMC/Ext/OK", [1]), message("/VMC/Ext/T", [pose.time / 1e9])]
        messages.append(message("/VMC/Ext/Root/Pos", ["root", *none, *none, 1.0]))
        for bone, turn in bones_of(level.rotations).items():
            at = tuple(float(v) for v in place) if bone == "Hips" else none
            messages.append(message("/VMC/Ext/Bone/Pos", [bone, *at, *(float(v) for v in turn)]))
        try:
            self._socket.sendto(bundle(messages), (self._to[0], int(self._to[1]) + port, *self._to[2:]))
            self.sent += 1
        except OSError:  # nobody listens, or the network is full: the next pose is newer
            return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
