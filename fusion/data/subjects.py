"""Data sets of people who did one action at a time: some people are learnt from, others are tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from drivers.errors import ConfigError
from fusion.data.augment import AugmentConfig
from fusion.data.batches import Batch
from fusion.data.ranks import share


class SimilarLengths(Sampler[list[int]]):
    """Random batches of trials of similar length, so that little is padded; other batches at each pass.

    Where several processes train together each takes its share of them, all as many.

    Args:
        lengths: (N,) of the trials.
        batch_size: trials in a batch; the last batches may be one smaller.
        seed: of the order.
    """

    def __init__(self, lengths: Tensor, batch_size: int, seed: int) -> None:
        self.lengths = lengths.float()
        self.batches = max(1, round(len(lengths) / batch_size))
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-self.batches // share()[1])

    def __iter__(self) -> Iterator[list[int]]:
        g, (rank, world) = self.generator, share()
        blurred = self.lengths * torch.exp(0.15 * torch.randn(len(self.lengths), generator=g))
        parts = blurred.argsort().tensor_split(self.batches)
        order = torch.randperm(self.batches, generator=g).tolist()
        for step in range(len(self)):
            yield parts[order[(step * world + rank) % self.batches]].tolist()


def apart(subjects: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the subjects of ``train``, ``val`` and ``test``.

    Raises:
        ConfigError: a subject is learnt from and tested on.
    """
    seen = set(subjects["train"]) & {*subjects["val"], *subjects["test"]}
    if seen:
        raise ConfigError(
            f"subjects {sorted(seen)} are in training and in validation or test at once",
            mend="Give each subject to one of train_subjects, val_subjects and test_subjects",
        )
    return {part: tuple(numbers) for part, numbers in subjects.items()}


class BySubjects(pl.LightningDataModule):
    """A data set by subjects.

    Args:
        subjects: those of ``train``, ``val`` and ``test``; none of them in two.
        rate_hz: ticks per second of the grid.
        batch_size: trials in a batch.
        augment: how training trials are varied.
        seed: of the variations and the order.

    Raises:
        ConfigError: a subject is learnt from and tested on.
    """

    def __init__(
        self,
        subjects: Mapping[str, tuple[int, ...]],
        rate_hz: float,
        batch_size: int,
        augment: AugmentConfig | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.subjects = apart(subjects)
        self.rate_hz, self.batch_size = rate_hz, batch_size
        self.augment, self.seed = augment or AugmentConfig(), seed
        self._data: dict[str, Any] = {}

    def read(self, subjects: tuple[int, ...]) -> Any:
        """Read the trials of some subjects; the result has ``samples``, (N,) their lengths."""
        raise NotImplementedError

    def batches(self, data: Any, augment: AugmentConfig | None) -> Callable[[list[int]], Batch]:
        """Return what makes batches of trials, varied or as they are."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Read the trials that ``stage`` needs.

        Raises:
            DataError: the data set is not there or malformed, or has no trials of the subjects.
        """
        parts = {"fit": ("train", "val"), "validate": ("val",), "test": ("train", "test")}
        for part in parts.get(stage, ("test",)):
            if part not in self._data and self.subjects[part]:
                self._data[part] = self.read(self.subjects[part])

    def train_dataloader(self) -> DataLoader:
        """Varied trials in random order."""
        data = self._data["train"]
        return DataLoader(
            range(len(data)),  # type: ignore[arg-type]
            batch_sampler=SimilarLengths(data.samples, self.batch_size, self.seed),
            collate_fn=self.batches(data, self.augment),
        )

    def val_dataloader(self) -> DataLoader | list:
        """Trials of the validation subjects as they are; empty where there are none."""
        return self._plain("val") if self.subjects["val"] else []

    def test_dataloader(self) -> DataLoader:
        """Trials of the test subjects as they are."""
        return self._plain("test")

    def reference_dataloader(self) -> DataLoader:
        """Training trials as they are, for the baselines of the test."""
        return self._plain("train")

    def _plain(self, part: str) -> DataLoader:
        data = self._data[part]
        return DataLoader(
            data.samples.argsort().tolist(),  # type: ignore[arg-type]
            batch_size=self.batch_size,
            collate_fn=self.batches(data, None),
        )
