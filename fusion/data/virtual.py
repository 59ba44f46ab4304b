"""Virtual bodies and sensors as batches: motion -> windows -> random sensors, anew for each batch.

::

    motions -> windows (N, lead + T) -> VirtualSensors -> Batch
               in worker processes: a batch depends on its number and the seed alone

Simulated bodies by default; any motions at the grid's rate may be given instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytorch_lightning as pl
import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset, Sampler

from drivers.errors import DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import Batch
from fusion.virtual.motion import Motion, Motions
from fusion.virtual.sensing import SensorRanges, VirtualSensors
from fusion.virtual.simulated import simulated

Change = Callable[[Motions, torch.Generator], Motions]
"""What makes other windows of windows: other bodies, tempo, sides."""


class VirtualBatches(Dataset[Batch]):
    """Number -> a batch of windows at random places in the motions, by random sensors.

    Args:
        motions: at ``rate_hz`` each.
        actions: names of the classes.
        ticks: length of a window.
        batch_size: windows in a batch.
        rate_hz: ticks per second.
        ranges: of the sensors.
        seed: of everything random.
        change: done to the windows before they are sensed.

    Raises:
        DataError: there is no motion, or one of another rate.
    """

    def __init__(
        self,
        motions: Sequence[Motion],
        actions: Sequence[str],
        ticks: int,
        batch_size: int,
        rate_hz: float = 60.0,
        ranges: SensorRanges | None = None,
        seed: int = 0,
        change: Change | None = None,
    ) -> None:
        if not motions or any(motion.rate_hz != rate_hz for motion in motions):
            raise DataError(
                f"windows at {rate_hz:g} Hz need motions at that rate, {len(motions)} were given at "
                f"{sorted({motion.rate_hz for motion in motions})} Hz",
                mend="Resample the motions, or set rate_hz to theirs",
            )
        self.motions = motions
        self.actions = tuple(actions)
        self.ticks, self.batch_size = ticks, batch_size
        self.sensors = VirtualSensors(ranges, rate_hz)
        self.seed, self.change = seed, change
        # A clip is drawn as often as it is long.
        self._weights = torch.tensor([float(len(motion)) for motion in motions])

    def __getitem__(self, number: int) -> Batch:
        """Return batch ``number``: the same each time."""
        g = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % (1 << 62))
        rows = self.sensors.lead + self.ticks
        chosen = torch.multinomial(self._weights, self.batch_size, replacement=True, generator=g).tolist()
        motions = [self.motions[index] for index in chosen]
        luck = torch.rand(self.batch_size, generator=g).tolist()
        starts = [int(x * max(1, len(m) - rows + 1)) for x, m in zip(luck, motions, strict=True)]
        windows = Motions.windows(motions, starts, rows, self.actions)
        if self.change is not None:
            windows = self.change(windows, g)
        return self.sensors(windows, g)


class Numbers(Sampler[int]):
    """Numbers of batches: each pass goes on where the last one ended, or begins anew if ``again``."""

    def __init__(self, count: int, again: bool = False) -> None:
        self.count, self.again, self._passes = count, again, 0

    def set_epoch(self, epoch: int) -> None:
        """Go on at pass ``epoch``: after a resume the batches are not those of the first pass."""
        self._passes = epoch

    def __iter__(self) -> Iterator[int]:
        first = 0 if self.again else self._passes * self.count
        self._passes += 1  # at the first number: a data loader may ask for an iterator that it does not use
        yield from range(first, first + self.count)

    def __len__(self) -> int:
        return self.count


class VirtualData(pl.LightningDataModule):
    """Virtual bodies and sensors as a data module.

    Args:
        train_clips: simulated bodies to learn from.
        val_clips: other bodies to validate on.
        seconds: length of a clip.
        window_s: length of a window.
        rate_hz: ticks per second.
        batch_size: windows in a batch.
        batches: in an epoch.
        val_batches: in a validation.
        ranges: of the sensors.
        workers: processes that make batches while the network learns; 0: none, they are made in between.
        fixed: the same batches in each epoch, to see whether a network can learn them at all.
        seed: of everything random.
    """

    def __init__(
        self,
        train_clips: int = 200,
        val_clips: int = 24,
        seconds: float = 24.0,
        window_s: float = 2.0,
        rate_hz: float = 60.0,
        batch_size: int = 20,
        batches: int = 100,
        val_batches: int = 8,
        ranges: SensorRanges | None = None,
        workers: int = 1,
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.counts = {"train": train_clips, "val": val_clips}
        self.seconds, self.window_s, self.rate_hz = seconds, window_s, rate_hz
        self.batch_size, self.batches, self.val_batches = batch_size, batches, val_batches
        self.ranges, self.workers = ranges or SensorRanges(), workers
        self.fixed, self.seed = fixed, seed
        self.action_names: Sequence[str] = ACTIONS
        self._data: dict[str, VirtualBatches] = {}

    def motions(self, part: str) -> Sequence[Motion]:
        """Return the motions of ``train`` or ``val``: simulated bodies, other ones in each."""
        first = self.seed * 1_000_000 + (0 if part == "train" else 500_000)
        return [simulated(first + n, self.seconds, self.rate_hz) for n in range(self.counts[part])]

    def setup(self, stage: str) -> None:
        """Let the bodies move."""
        for part in ("train", "val"):
            if part not in self._data and (part == "val" or stage == "fit"):
                self._data[part] = VirtualBatches(
                    self.motions(part),
                    self.action_names,
                    int(self.window_s * self.rate_hz),
                    self.batch_size,
                    self.rate_hz,
                    self.ranges,
                    self.seed if part == "train" else self.seed + 7_777_777,
                )

    def train_dataloader(self) -> DataLoader[Batch]:
        """New windows by new sensors in each batch."""
        return self._loader("train", Numbers(self.batches, self.fixed))

    def val_dataloader(self) -> DataLoader[Batch]:
        """The same batches at each call."""
        return self._loader("val", Numbers(self.val_batches, again=True))

    def test_dataloader(self) -> DataLoader[Batch]:
        """As for validation."""
        return self.val_dataloader()

    def _loader(self, part: str, numbers: Numbers) -> DataLoader[Batch]:
        workers = self.workers if part == "train" else 0
        return DataLoader(
            self._data[part],
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            worker_init_fn=one_thread,
        )


def one_thread(worker: int) -> None:
    """Let a worker process use one core: its arrays are small, and threads would wait for one another."""
    torch.set_num_threads(1)
    threadpool_limits(1)  # of numpy's library of matrices
