"""Virtual bodies and sensors as batches: motion -> windows -> random sensors, anew for each batch.

::

    motions -> windows (N, lead + T) -> diversity -> VirtualSensors -> Batch
               in worker processes: a batch depends on its number and the seed alone

Simulated bodies by default; the motion sets of :mod:`fusion.virtual.library` where they are named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import pytorch_lightning as pl
import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset, Sampler

from drivers.errors import DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import Batch, joined
from fusion.data.ranks import share
from fusion.virtual.diversity import Diversity, vary
from fusion.virtual.library import Library
from fusion.virtual.motion import Motion, Motions
from fusion.virtual.sensing import SensorRanges, VirtualSensors
from fusion.virtual.simulated import simulated


class Source(Protocol):
    """Where windows of motion come from; :class:`fusion.virtual.library.Library` is one.

    Attributes:
        rate_hz: rows per second.
        actions: names of the classes that windows speak of.
    """

    rate_hz: float
    actions: tuple[str, ...]

    def draw(self, count: int, rows: int, generator: torch.Generator) -> tuple[list[int], list[int]]:
        """Draw places for ``count`` windows of ``rows`` rows: numbers of clips, first rows."""
        ...

    def windows(self, numbers: Sequence[int], starts: Sequence[int], rows: int) -> Motions:
        """Cut windows out of clips."""
        ...


class Clips:
    """Motions in memory as a source; a clip is drawn as often as it is long.

    Raises:
        DataError: there is no motion, or their rates differ.
    """

    def __init__(self, motions: Sequence[Motion], actions: Sequence[str]) -> None:
        rates = {motion.rate_hz for motion in motions}
        if len(rates) != 1:
            raise DataError(f"clips at {sorted(rates)} Hz are no one source", mend="Resample them first")
        self.rate_hz = rates.pop()
        self.actions = tuple(actions)
        self._motions = motions
        self._weights = torch.tensor([float(len(motion)) for motion in motions])

    def draw(self, count: int, rows: int, generator: torch.Generator) -> tuple[list[int], list[int]]:
        """Draw places for windows."""
        chosen = torch.multinomial(self._weights, count, replacement=True, generator=generator).tolist()
        luck = torch.rand(count, generator=generator).tolist()
        room = [max(1, len(self._motions[number]) - rows + 1) for number in chosen]
        return chosen, [int(x * most) for x, most in zip(luck, room, strict=True)]

    def windows(self, numbers: Sequence[int], starts: Sequence[int], rows: int) -> Motions:
        """Cut windows out of clips."""
        return Motions.windows([self._motions[number] for number in numbers], starts, rows, self.actions)


class VirtualBatches(Dataset[Batch]):
    """Number -> a batch of windows at random places in the motions, by random sensors.

    Args:
        source: of the motions.
        ticks: length of a window.
        batch_size: windows in a batch.
        ranges: of the sensors.
        seed: of everything random.
        actions: names of the classes, in the order of the network's; by default the source's. Actions that
            are not among them are unknown.
        diversity: how motion is varied before it is sensed; None: not at all.
        joined: so many batches become one, as of so many processes that train together.
    """

    def __init__(
        self,
        source: Source,
        ticks: int,
        batch_size: int,
        ranges: SensorRanges | None = None,
        seed: int = 0,
        actions: Sequence[str] | None = None,
        diversity: Diversity | None = None,
        joined: int = 1,
    ) -> None:
        self.source = source
        self.ticks, self.batch_size = ticks, batch_size
        self.sensors = VirtualSensors(ranges, source.rate_hz)
        self.seed, self.diversity, self.joined = seed, diversity, joined
        known = tuple(source.actions if actions is None else actions)
        numbers = [known.index(name) if name in known else -1 for name in source.actions]
        self._actions = torch.tensor([*numbers, -1])  # the last one is what -1 becomes

    def __getitem__(self, number: int) -> Batch:
        """Return batch ``number``: the same each time."""
        first = number * self.joined
        return joined([self._made(n) for n in range(first, first + self.joined)])

    def _made(self, number: int) -> Batch:
        g = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % (1 << 62))
        rows = self.sensors.lead + self.ticks
        needed = rows if self.diversity is None else self.diversity.source_rows(rows)
        windows = self.source.windows(*self.source.draw(self.batch_size, needed, g), needed)
        if self.diversity is not None:
            windows = vary(windows, rows, self.diversity, g, self.source.actions)
        windows = dataclasses.replace(windows, action=self._actions[windows.action])
        return self.sensors(windows, g)


class Numbers(Sampler[int]):
    """Numbers of batches: each pass goes on where the last one ended, or begins anew if ``again``.

    Where several processes train together each has ``count`` numbers of its own in a pass; those of a pass
    that begins anew are shared out.
    """

    def __init__(self, count: int, again: bool = False) -> None:
        self.count, self.again, self._passes = count, again, 0

    def set_epoch(self, epoch: int) -> None:
        """Go on at pass ``epoch``: after a resume the batches are not those of the first pass."""
        self._passes = epoch

    def __iter__(self) -> Iterator[int]:
        rank, world = share()
        first = 0 if self.again else self._passes * self.count * world
        self._passes += 1  # at the first number: a data loader may ask for an iterator that it does not use
        for step in range(len(self)):
            number = step * world + rank
            yield number % self.count if self.again else first + number

    def __len__(self) -> int:
        return -(-self.count // share()[1]) if self.again else self.count


class VirtualData(pl.LightningDataModule):
    """Virtual bodies and sensors as a data module.

    Args:
        sets: of motion, see :mod:`fusion.virtual.sets`; empty: simulated bodies, made anew.
        root: where the sets are; by default the environment variable ``CHORUS_DATA``.
        kind: of the weights that are trained: ``base`` or ``free``, see ``Library.select``.
        actions: names of the classes; by default all that the motions have.
        train_clips: simulated bodies to learn from, where no set is named.
        val_clips: other bodies to validate on.
        seconds: length of a simulated clip.
        window_s: length of a window.
        rate_hz: ticks per second.
        batch_size: windows in a batch.
        batches: in an epoch.
        val_batches: in a validation.
        ranges: of the sensors.
        diversity: how the motion to learn from is varied; None: not at all.
        joined: so many batches become one: what so many processes with DDP see in a step.
        workers: processes that make batches while the network learns; 0: none, they are made in between.
        fixed: the same batches in each epoch, to see whether a network can learn them at all.
        seed: of everything random.
    """

    def __init__(
        self,
        sets: Sequence[str] = (),
        root: str | None = None,
        kind: str = "base",
        actions: Sequence[str] | None = None,
        train_clips: int = 200,
        val_clips: int = 24,
        seconds: float = 24.0,
        window_s: float = 2.0,
        rate_hz: float = 60.0,
        batch_size: int = 20,
        batches: int = 100,
        val_batches: int = 8,
        ranges: SensorRanges | None = None,
        diversity: Diversity | None = Diversity(),  # noqa: B008  (frozen)
        joined: int = 1,
        workers: int = 1,
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sets, self.root, self.kind = tuple(sets), root, kind
        self.counts = {"train": train_clips, "val": val_clips}
        self.seconds, self.window_s, self.rate_hz = seconds, window_s, rate_hz
        self.batch_size, self.batches, self.val_batches = batch_size, batches, val_batches
        self.ranges, self.diversity, self.workers = ranges or SensorRanges(), diversity, workers
        self.fixed, self.joined, self.seed = fixed, joined, seed
        self._library: Library | None = None
        self._data: dict[str, VirtualBatches] = {}
        self.action_names: Sequence[str] | None = tuple(actions) if actions else None
        if self.action_names is None and not self.sets:
            self.action_names = ACTIONS

    def source(self, part: str) -> Source:
        """Return the motions of ``train``, ``val`` or ``test``: other bodies, or other clips, in each.

        Raises:
            DataError: a set is not there.
        """
        if self.sets:
            if self._library is None:
                self._library = Library.open(self.sets, self.root, self.rate_hz)
            return self._library.select(part, self.kind)
        part = "val" if part == "test" else part
        first = self.seed * 1_000_000 + (0 if part == "train" else 500_000)
        motions = [simulated(first + n, self.seconds, self.rate_hz) for n in range(self.counts[part])]
        return Clips(motions, ACTIONS)

    def setup(self, stage: str) -> None:
        """Let the bodies move."""
        parts = {"fit": ("train", "val"), "validate": ("val",)}.get(stage, ("test",))
        for part in parts:
            if part in self._data:
                continue
            source = self.source(part)
            if self.action_names is None:
                self.action_names = source.actions
            seed = self.seed if part == "train" else self.seed + 7_777_777
            ticks = int(self.window_s * self.rate_hz)
            diversity = self.diversity if part == "train" else None
            self._data[part] = VirtualBatches(
                source, ticks, self.batch_size, self.ranges, seed, self.action_names, diversity, self.joined
            )

    def train_dataloader(self) -> DataLoader[Batch]:
        """New windows by new sensors in each batch."""
        return self._loader("train", Numbers(self.batches, self.fixed))

    def val_dataloader(self) -> DataLoader[Batch]:
        """The same batches at each call."""
        return self._loader("val", Numbers(self.val_batches, again=True))

    def test_dataloader(self) -> DataLoader[Batch]:
        """As for validation, of what is held out of training."""
        return self._loader("test", Numbers(self.val_batches, again=True))

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
