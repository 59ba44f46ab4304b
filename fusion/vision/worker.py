"""Key points instead of pictures on the bus: the front end beside a camera, for ``store: none``.

::

    python -m fusion.vision.worker configs/rigs/simulated.yaml --connect tcp://127.0.0.1:41234

    camera's stream -> newest picture -> FrontEnd -> <camera>_<network>            (J, 10) a picture
                                                  -> <camera>_<network>_heatmaps   (J, h, w), on demand
                                                  -> <camera>_<network>_region     (6,), with the heatmaps

Rows keep the picture's own stamps. A picture that comes while another is looked at is skipped and
counted, unless ``--every`` is given. The worker ends with its cameras or with the session.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.bus import Publisher, Subscriber
from drivers.bus.messages import Announcement, Ended, Failed
from drivers.errors import ChorusError, ConfigError
from drivers.rig import Rig, load_rig
from fusion.features.vision import KEYPOINT_COLUMNS, best_person, keypoints_of, picture_size
from fusion.vision.base import FrontEnd, Person, front_end

UNITS: tuple[str, ...] = ("px", "px", "1", "px^2", "px^2", "px^2", "m", "m", "m", "1")
"""Units of :data:`fusion.features.vision.KEYPOINT_COLUMNS`."""
WAIT_S = 0.25
"""How long the worker waits for a message before it looks whether it should end."""
HEATMAP_RESEND_BYTES = 64 << 20


def keypoint_stream(camera: StreamInfo, network: FrontEnd) -> StreamInfo:
    """Return the stream of key points that a front end finds in a camera's pictures."""
    width, height = picture_size(camera)
    calibration = {k: v for k, v in camera.properties.items() if k in ("intrinsics", "extrinsics")}
    return StreamInfo(
        name=f"{camera.name}_{network.name}",
        kind="features",
        shape=(len(network.skeleton), len(KEYPOINT_COLUMNS)),
        channels=KEYPOINT_COLUMNS,
        units=UNITS,
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

    def look(self, batch: Batch, *, every: bool) -> None:
        """Look at the newest picture of a batch, or at all, and publish what is there."""
        first = 0 if every else len(batch) - 1
        self.counts.skipped += first
        for i in range(first, len(batch)):
            stamp = batch.stamps[i : i + 1].copy()
            picture = _decode(batch.data[i])
            people = [] if picture is None else self._network(picture, int(stamp["time"][0]))
            self._publish(stamp, best_person(people))

    def _publish(self, stamp: NDArray[np.void], person: Person | None) -> None:
        stamp["seq"] = self.counts.seen
        rows = np.zeros(self._info.shape, np.float32) if person is None else keypoints_of(person)
        self._publisher.publish(Batch(self._info.name, stamp, rows[None]))
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
        self._publisher.end(Ended(self._info.name, self.counts.seen, {}))
        self._publisher.close()
        for publisher in self._maps or ():
            publisher.end(Ended(publisher.stream, self._map_rows, {}))
            publisher.close()
        self._network.close()


def run(
    rig: Rig,
    address: str,
    *,
    cameras: Sequence[str] = (),
    every: bool = False,
    heatmaps: bool = False,
) -> dict[str, Counts]:
    """Serve the cameras of a rig until they end or the session does.

    Args:
        rig: names the vision front end and the cameras.
        address: of the hub.
        cameras: names of the cameras; empty: all of the rig.
        every: look at every picture, however late; otherwise always at the newest.
        heatmaps: publish the heatmaps, too.

    Returns:
        what was looked at, by camera.

    Raises:
        ConfigError: a camera is not in the rig.
        WeightsError: the front end's network could not be obtained.
        BusUnreachable: nobody answers at the address.
    """
    wanted = _cameras(rig, cameras)
    workers: dict[str, CameraWorker] = {}
    counts: dict[str, Counts] = {}
    left = set(wanted)
    with Subscriber(address, wanted, reliable=every) as subscriber:
        try:
            while left and not subscriber.hub_closed:
                message = subscriber.receive(WAIT_S)
                if isinstance(message, Announcement) and message.info.kind == "camera":
                    name = message.info.name
                    if name not in workers and name in left:
                        worker = CameraWorker(message.info, front_end(rig.vision), address, heatmaps=heatmaps)
                        workers[name], counts[name] = worker, worker.counts
                elif isinstance(message, Batch) and message.stream in workers and len(message):
                    worker = workers[message.stream]
                    newer = None if every else subscriber.latest(message.stream)
                    if newer is not None:
                        rows = int(newer.stamps["seq"][-1]) - int(message.stamps["seq"][0])
                        worker.counts.skipped += rows + 1 - len(newer)
                    worker.look(newer or message, every=every)
                elif isinstance(message, Ended | Failed) and message.stream in left:
                    left.discard(message.stream)
                    if message.stream in workers:
                        workers.pop(message.stream).close()
                if any(worker.stop_requested for worker in workers.values()) and message is None:
                    break
        finally:
            for worker in workers.values():
                worker.close()
    return counts


def _cameras(rig: Rig, asked: Sequence[str]) -> list[str]:
    unknown = [name for name in asked if name not in rig.streams]
    if unknown:
        raise ConfigError(
            f"the rig {rig.name} has no stream '{unknown[0]}'", mend=f"Choose of: {', '.join(rig.streams)}"
        )
    if asked:
        return list(asked)
    found = [name for name, stream in rig.streams.items() if "camera" in stream.driver.split(".")]
    if not found:
        raise ConfigError(
            f"the rig {rig.name} has no camera", mend="Name its picture stream with --camera NAME"
        )
    return found


def _decode(row: bytes | NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the BGR picture of a row, or None where the bytes are damaged."""
    if isinstance(row, np.ndarray):
        return row
    return cv2.imdecode(np.frombuffer(row, np.uint8), cv2.IMREAD_COLOR)  # pyright: ignore[reportReturnType]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker from the command line; errors are one line and exit code 1."""
    parser = argparse.ArgumentParser(
        prog="python -m fusion.vision.worker", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("rig", help="the rig's YAML file")
    parser.add_argument(
        "--connect", required=True, metavar="ADDRESS", help="of the hub, as chorus record prints it"
    )
    parser.add_argument(
        "--camera", action="append", default=[], help="serve only this camera (can be repeated)"
    )
    parser.add_argument("--every", action="store_true", help="look at every picture, however late")
    parser.add_argument("--heatmaps", action="store_true", help="publish heatmaps as well")
    options = parser.parse_args(arguments)
    try:
        counts = run(
            load_rig(options.rig),
            options.connect,
            cameras=options.camera,
            every=options.every,
            heatmaps=options.heatmaps,
        )
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
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
