"""RTSP, transport streams and others, through PyAV: video is decoded, Motion-JPEG passed through."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from drivers.base import NO_TIME
from drivers.camera.http_stream import Failure
from drivers.camera.picture import Picture
from drivers.camera.pictures import JPEG_START, decoded, to_payload
from drivers.errors import Fault

_OPTIONS = {"analyzeduration": "500000", "fpsprobesize": "0"}
"""What is known of the video after half a second must do; its rate is measured from its pictures."""
_RTSP = {"rtsp_transport": "tcp", "analyzeduration": "1", "probesize": "32", "fpsprobesize": "0"}
"""What RTSP says of the video is enough; pictures that wait while it is looked at would come late."""


class VideoStream:
    """One connection to a source of video.

    Args:
        url: of the stream.
        open_s: how long it may take to open, s.
        silent_s: how long it may be silent later, s.
        failure: makes the errors that are raised.

    Attributes:
        passes: its pictures are JPEG as they come.

    Raises:
        DeviceError: it cannot be opened, holds no video, or is a file.
    """

    def __init__(self, url: str, open_s: float, silent_s: float, failure: Failure) -> None:
        import av
        import av.error

        self._failure = failure
        options = _RTSP if urllib.parse.urlsplit(url).scheme.startswith("rtsp") else _OPTIONS
        try:
            self._container = av.open(url, options=options, timeout=(open_s, silent_s))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no answer"
            raise failure(
                Fault.NOT_FOUND, f"cannot be opened: {reason}", "Check the address, the login and the network"
            ) from error
        if not self._container.streams.video:
            self.close()
            raise failure(Fault.UNSUPPORTED, "holds no video", "Give the address of a video stream")
        if self._container.duration:
            self.close()
            raise failure(
                Fault.UNSUPPORTED, "is a file, not a live camera", "Download it and use camera.file"
            )
        self.passes = self._container.streams.video[0].codec_context.name == "mjpeg"

    def close(self) -> None:
        """Disconnect."""
        self._container.close()

    def pictures(self, store: str, quality: int) -> Iterator[Picture]:
        """Yield the pictures as they come: JPEG, or pixels for ``store: raw``.

        Raises:
            DeviceError: the connection is over, or silent.
        """
        import av.error

        damaged, begun = 0, False
        try:
            for packet in self._container.demux(video=0):
                arrival = time.monotonic_ns()
                if not packet.size:
                    break
                try:
                    rows = self._passed(packet, store) if self.passes else packet.decode()
                except av.error.InvalidDataError:  # it lost its way, until the next key frame
                    rows = [None]
                for row in rows:
                    if row is None or getattr(row, "is_corrupt", False):
                        damaged += begun  # what comes before the first key frame was not expected
                        continue
                    if self.passes:
                        yield Picture(row, arrival, _stamp(packet), damaged)
                    else:
                        image: Any = row.to_ndarray(format="bgr24")
                        payload = to_payload(image, store, quality)
                        yield Picture(payload, arrival, _stamp(row), damaged)
                    damaged, begun = 0, True
            raise self._failure(Fault.UNPLUGGED, "ended the stream", "Check the camera and the network")
        except av.error.ExitError as error:  # its patience is over
            raise self._failure(
                Fault.SILENT, "sent nothing any more", "Check the camera and the network"
            ) from error
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(Fault.UNPLUGGED, "broke off", "Check the camera and the network") from error
        finally:
            self.close()

    @staticmethod
    def _passed(packet: Any, store: str) -> list[Any]:
        jpeg = bytes(packet)
        if not jpeg.startswith(JPEG_START):
            return [None]
        return [decoded(jpeg) if store == "raw" else jpeg]


def _stamp(item: Any) -> int:
    if item.pts is None or item.time_base is None:
        return NO_TIME
    return round(item.pts * item.time_base * 1_000_000_000)
