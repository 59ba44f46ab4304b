"""Front ends of one kind, one for each camera: they follow people from picture to picture."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType

from fusion.vision.base import FrontEnd, front_end_of, identity


class FrontEnds:
    """As many front ends as cameras are looked through; those that are made here are closed here.

    Args:
        vision: a name, of which more are made as they are needed; or those that there are.
        people: how many each of those made here looks for.

    Raises:
        ConfigError: the name is unknown, or of a front end that looks for one person only.
        WeightsError: its network could not be obtained.
    """

    def __init__(self, vision: str | FrontEnd | Sequence[FrontEnd], people: int = 1) -> None:
        self._stack = contextlib.ExitStack()
        self._name = vision if isinstance(vision, str) else ""
        self._people = people
        given = [vision] if isinstance(vision, FrontEnd) else list(vision) if not self._name else []
        self._all: list[FrontEnd] = [one for one in given if isinstance(one, FrontEnd)]
        if self._name:
            self.of(0)

    @property
    def name(self) -> str:
        """As in the registry."""
        return self._all[0].name

    @property
    def told(self) -> str:
        """What tells them apart from others: the text they were made of, and their file's state."""
        return identity(self._name) if self._name else self.name

    @property
    def skeleton(self) -> tuple[str, ...]:
        """Joint names."""
        return self._all[0].skeleton

    @property
    def most(self) -> int:
        """How many cameras there can be."""
        return 1 << 10 if self._name else len(self._all)

    def of(self, camera: int) -> FrontEnd:
        """Return the front end of a camera by its number.

        Raises:
            IndexError: there are not so many.
            WeightsError: its network could not be obtained.
        """
        while self._name and len(self._all) <= camera:
            made = front_end_of(self._name, self._people)
            self._stack.callback(made.close)
            self._all.append(made)
        return self._all[camera]

    def reset(self) -> None:
        """Forget what was followed."""
        for one in self._all:
            one.reset()

    def close(self) -> None:
        """Let those go that were made here."""
        self._stack.close()

    def __enter__(self) -> FrontEnds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
