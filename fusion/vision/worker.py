"""Key points instead of pictures on the bus: the front end beside a camera, for ``store: none``.

::

    python -m fusion.vision.worker configs/rigs/simulated.yaml --connect tcp://127.0.0.1:41234

    camera's stream -> newest picture -> FrontEnd -> <camera>_<network>            (J, 10) a picture
                                                  -> <camera>_<network>_heatmaps   (J, h, w), on demand
                                                  -> <camera>_<network>_region     (6,), with the heatmaps

Rows keep the picture's own stamps and number, so that each finds its picture; pictures that are skipped
because too many wait (``--backlog``) are counted as lost. The worker ends with its cameras or with the
session.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.bus import Publisher, Subscriber
from drivers.bus.messages import Announcement, Ended, Failed
from drivers.camera.pictures import decoded
from drivers.errors import ChorusError, ConfigError
from drivers.joints import KEYPOINT_COLUMNS, KEYPOINT_UNITS
from drivers.private import forbid_dumps
from drivers.rig import Rig, load_rig
from fusion.commands.arguments import split_overrides
from fusion.features.vision import best_person, keypoints_of, picture_size
from fusion.vision.base import FrontEnd, Person, front_end

CALIBRATION = ("intrinsics", "distortion", "extrinsics", "calibration")
"""Properties of a camera that its key points keep, see :mod:`drivers.camera.model`."""

WAIT_S = 0.25
"""How long the worker waits for a message before it looks whether it should end."""
QUIET_S = 2.0
"""Silence after which cameras count as gone, once the session is to end; they should say so before."""
HEATMAP_RESEND_BYTES = 64 << 20
SKIPPED = "driver_queue"
"""Why key points of a picture are lost: it was too late, or never came here."""
ERROR = "error: "
"""Begins the line with which the worker says why it failed."""


def keypoint_stream_name(camera: str, network: str) -> str:
    """Return the name of the stream of key points that a front end finds in a camera's pictures."""
    return f"{camera}_{network.replace('-', '_')}"


def keypoint_stream(camera: StreamInfo, network: FrontEnd) -> StreamInfo:
    """Return the stream of key points that a front end finds in a camera's pictures."""
    width, height = picture_size(camera)
    calibration = {k: v for k, v in camera.properties.items() if k in CALIBRATION}
    return StreamInfo(
        name=keypoint_stream_name(camera.name, network.name),
        kind="features",
        shape=(len(network.skeleton), len(KEYPOINT_COLUMNS)),
        channels=KEYPOINT_COLUMNS,
        units=KEYPOINT_UNITS,
        device=f"{network.name} on {camera.device or camera.name}",
        host=camera.host,
        properties={
            **calibration,
            "skeleton": ",".join(network.skeleton),
            "camera": camera.name,
            "network": network.name,
            "width": str(width),
            "height": str(height),
        },
    )


def heatmap_streams(keypoints: StreamInfo, cells: tuple[int, int]) -> tuple[StreamInfo, StreamInfo]:
    """Return the streams of heatmaps (J, h, w), 255 = certain, and of their affine cells -> picture px."""
    about = {k: v for k, v in keypoints.properties.items() if k != "skeleton"}
    about["joints"] = keypoints.properties["skeleton"]
    heatmaps = StreamInfo(
        name=f"{keypoints.name}_heatmaps",
        kind="features",
        dtype="|u1",
        shape=(keypoints.shape[0], *cells),
        device=keypoints.device,
        host=keypoints.host,
        properties=about,
    )
    region = StreamInfo(
        name=f"{keypoints.name}_region",
        kind="features",
        shape=(6,),
        channels=("xx", "xy", "x0", "yx", "yy", "y0"),
        units=("px", "px", "px", "px", "px", "px"),
        device=keypoints.device,
        host=keypoints.host,
        properties=about,
    )
    return heatmaps, region


@dataclasses.dataclass
class Counts:
    """Pictures of one camera that were looked at, that showed somebody, and that were skipped."""

    seen: int = 0
    people: int = 0
    skipped: int = 0


class CameraWorker:
    """The front end of one camera and the streams it publishes.

    Args:
        camera: its stream.
        network: a front end of its own.
        address: of the hub.
        heatmaps: publish them, too.
    """

    def __init__(self, camera: StreamInfo, network: FrontEnd, address: str, *, heatmaps: bool) -> None:
        self.camera = camera
        self.counts = Counts()
        self._first: int | None = None  # number of the first picture looked at
        self._next: int | None = None  # and of the one that should be next
        self._network = network
        self._address = address
        self._info = keypoint_stream(camera, network)
        self._with_heatmaps = heatmaps
        self._publisher = Publisher(address, self._info)
        self._maps: tuple[Publisher, Publisher] | None = None
        self._map_rows = 0

    @property
    def stop_requested(self) -> bool:
        """The session ends."""
        return self._publisher.stop_requested

    def look(self, stamp: NDArray[np.void], picture: bytes | NDArray[Any]) -> None:
        """Look at a picture with its stamp (1,), and publish who is there."""
        image = _decode(picture)
        people = [] if image is None else self._network(image, int(stamp["time"][0]))
        self._publish(stamp.copy(), best_person(people))

    def _publish(self, stamp: NDArray[np.void], person: Person | None) -> None:
        rows = np.zeros(self._info.shape, np.float32) if person is None else keypoints_of(person)
        number = int(stamp["seq"][0])
        skipped = max(0, number - self._next) if self._next is not None else 0
        self._first, self._next = (number if self._first is None else self._first), number + 1
        self.counts.skipped += skipped
        lost = {SKIPPED: skipped} if skipped else {}
        self._publisher.publish(Batch(self._info.name, stamp, rows[None], lost))
        self.counts.seen += 1
        self.counts.people += person is not None
        if not self._with_heatmaps or person is None or person.heatmaps is None:
            return
        values = person.heatmaps.values
        if self._maps is None:
            infos = heatmap_streams(self._info, (values.shape[1], values.shape[2]))
            self._maps = (
                Publisher(self._address, infos[0], resend_bytes=HEATMAP_RESEND_BYTES),
                Publisher(self._address, infos[1]),
            )
        stamp = stamp.copy()
        stamp["seq"] = self._map_rows
        self._map_rows += 1
        levels = np.rint(values * 255).clip(0, 255).astype(np.uint8)
        affine = person.heatmaps.to_picture.astype(np.float32).reshape(1, 6)
        for publisher, row in zip(self._maps, (levels[None], affine), strict=True):
            publisher.publish(Batch(publisher.stream, stamp, row))

    def close(self) -> None:
        """End the streams in good order."""
        produced = self.counts.seen + self.counts.skipped
        lost = {SKIPPED: self.counts.skipped} if self.counts.skipped else {}
        self._publisher.end(Ended(self._info.name, produced, lost))
        self._publisher.close()
        for publisher in self._maps or ():
            publisher.end(Ended(publisher.stream, self._map_rows, {}))
            publisher.close()
        self._network.close()


Waiting = tuple[str, NDArray[np.void], bytes | NDArray[Any]]


class Backlog:
    """Pictures that wait to be looked at, in order; where too many do, the oldest are let go.

    Args:
        limit: how many of one camera may wait; 0: all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: collections.deque[Waiting] = collections.deque()
        self._count: collections.Counter[str] = collections.Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, batch: Batch) -> None:
        """Add the pictures of a batch."""
        for i, picture in enumerate(batch.data):
            self._waiting.append((batch.stream, batch.stamps[i : i + 1], picture))
        self._count[batch.stream] += len(batch)
        if self._limit and self._count[batch.stream] > self._limit:
            self._drop(batch.stream, self._count[batch.stream] - self._limit)

    def take(self) -> Waiting:
        """Return the next camera, stamp (1,) and picture."""
        waiting = self._waiting.popleft()
        self._count[waiting[0]] -= 1
        return waiting

    def _drop(self, camera: str, count: int) -> None:
        kept: collections.deque[Waiting] = collections.deque()
        for waiting in self._waiting:
            if waiting[0] == camera and count:
                count -= 1
                self._count[camera] -= 1
            else:
                kept.append(waiting)
        self._waiting = kept


def run(
    rig: Rig,
    address: str,
    *,
    cameras: Sequence[str] = (),
    backlog: int = 1,
    heatmaps: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Counts]:
    """Serve the cameras of a rig until they end or the session does.

    Args:
        rig: names the vision front end and the streams.
        address: of the hub.
        cameras: streams to serve; empty: all of the rig. Those that turn out to be no camera are let go.
        backlog: how many pictures of a camera may wait; 1: the newest only; 0: all, however late.
        heatmaps: publish the heatmaps, too.
        stop: asked now and then, besides the session's own stop.

    Returns:
        what was looked at, by camera.

    Raises:
        ConfigError: a camera is not in the rig.
        WeightsError: the front end's network could not be obtained.
        BusUnreachable: nobody answers at the address.
    """
    left = set(_streams(rig, cameras))
    workers: dict[str, CameraWorker] = {}
    counts: dict[str, Counts] = {}
    waiting = Backlog(backlog)
    last = time.monotonic()
    with Subscriber(address, left, reliable=backlog != 1) as subscriber:
        try:
            while left and not subscriber.hub_closed and not stop():
                message = subscriber.receive(0.0 if len(waiting) else WAIT_S)
                if message is None and len(waiting):
                    camera, stamp, picture = waiting.take()
                    workers[camera].look(stamp, picture)
                elif isinstance(message, Announcement):
                    name = message.info.name
                    if message.info.kind != "camera":
                        left.discard(name)
                    elif name not in workers and name in left:
                        worker = CameraWorker(message.info, front_end(rig.vision), address, heatmaps=heatmaps)
                        workers[name], counts[name] = worker, worker.counts
                elif isinstance(message, Batch) and message.stream in workers:
                    waiting.put(message)
                    last = time.monotonic()
                elif isinstance(message, Ended | Failed) and message.stream in left:
                    left.discard(message.stream)
                    _look_at_all(waiting, workers)
                    if message.stream in workers:
                        workers.pop(message.stream).close()
                quiet = not len(waiting) and time.monotonic() > last + QUIET_S
                if quiet and any(worker.stop_requested for worker in workers.values()):
                    break
        finally:
            for worker in workers.values():
                worker.close()
    return counts


def _look_at_all(waiting: Backlog, workers: dict[str, CameraWorker]) -> None:
    while len(waiting):
        camera, stamp, picture = waiting.take()
        workers[camera].look(stamp, picture)


def _streams(rig: Rig, asked: Sequence[str]) -> list[str]:
    unknown = [name for name in asked if name not in rig.streams]
    if unknown:
        raise ConfigError(
            f"the rig {rig.name} has no stream '{unknown[0]}'", mend=f"Choose of: {', '.join(rig.streams)}"
        )
    return list(asked or rig.streams)


def _decode(row: bytes | NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the BGR picture of a row, or None where the bytes are damaged."""
    if isinstance(row, np.ndarray):
        return row
    return decoded(row)


def _watch_parent() -> threading.Event:
    """Return an event that is set once standard input closes: the parent is done with us, or dead."""
    gone = threading.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        gone.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
    return gone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker from the command line; errors are one line and exit code 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fusion.vision.worker", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("rig", help="the rig's YAML file; its keys are set as --streams.x.y=z")
    parser.add_argument(
        "--connect", required=True, metavar="ADDRESS", help="of the hub, as chorus record prints it"
    )
    parser.add_argument(
        "--camera", action="append", default=[], help="serve only this camera (can be repeated)"
    )
    parser.add_argument(
        "--backlog", type=int, default=1, metavar="N", help="pictures that may wait; 1: the newest only"
    )
    parser.add_argument("--every", action="store_true", help="look at every picture, however late")
    parser.add_argument("--heatmaps", action="store_true", help="publish heatmaps as well")
    parser.add_argument("--guarded", action="store_true", help="end when standard input closes")
    own, overrides = split_overrides(list(sys.argv[1:] if arguments is None else arguments))
    options = parser.parse_args(own)
    parent_gone = _watch_parent() if options.guarded else threading.Event()
    try:
        rig = load_rig(options.rig, overrides)
        if rig.private:
            forbid_dumps()
        counts = run(
            rig,
            options.connect,
            cameras=options.camera,
            backlog=0 if options.every else max(1, options.backlog),
            heatmaps=options.heatmaps,
            stop=parent_gone.is_set,
        )
    except ChorusError as error:
        print(f"{ERROR}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for name, count in counts.items():
        print(
            f"{name}: {count.seen} pictures looked at, {count.people} show somebody, {count.skipped} skipped"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
