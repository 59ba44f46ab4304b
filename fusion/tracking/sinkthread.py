"""A sink in a thread of its own, behind a bounded queue: a slow disk never holds the poses up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Picture, Sink

_POSES = 4096
_PICTURES = 12
"""Items that wait at most: poses are small, pictures are not."""

_Item = list[Pose] | tuple[int, Picture] | None


class SinkThread(Sink):
    """Runs another sink in a thread.

    What does not fit the queue is dropped and counted. A sink that wants pictures gets only the first
    pose of each picture.

    Attributes:
        dropped: items that were dropped.
        error: what the sink failed with, or None.
    """

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.wants_pictures = sink.wants_pictures
        self.dropped = 0
        self.error: Exception | None = None
        self._sink = sink
        self._frame: int | None = None
        self._queue: queue.Queue[_Item] = queue.Queue(_PICTURES if sink.wants_pictures else _POSES)
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)
        self._thread.start()

    def pose(self, pose: Pose) -> None:
        """Hand a pose on; never waits."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Hand the poses of a tick on; never waits."""
        if self.wants_pictures:
            if poses[0].frame_time is None or poses[0].frame_time == self._frame:
                return
            self._frame = poses[0].frame_time
        self._put(list(poses))

    def picture(self, time: int, image: Picture) -> None:
        """Hand a picture on; never waits."""
        self._put((time, image))

    def close(self) -> None:
        """Let the sink finish what waits.

        Raises:
            Exception: what the sink failed with.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _put(self, item: _Item) -> None:
        if self.error is not None:
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, list):
                    self._sink.poses(item)
                else:
                    self._sink.picture(*item)
        except Exception as error:  # told by close(); tracking goes on without this output
            self.error = error
            self._drain()
        finally:
            try:
                self._sink.close()
            except Exception as error:
                self.error = self.error or error

    def _drain(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return
