"""Command-line arguments in the one dialect: typed functions, ``--key=value``, unknown keys refused."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable
from typing import Any

from drivers.errors import ConfigError

RIG_KEYS = ("streams.", "bus.", "name=", "vision=", "subject=", "task=")


def call(function: Callable[..., int], argv: list[str], program: str) -> int:
    """Parse ``argv`` by the signature and docstring of ``function`` and call it.

    Parameters without a default are positional. ``--help`` prints and exits 0.

    Raises:
        ConfigError: an argument is unknown, missing or of the wrong type.
    """
    import jsonargparse

    parser = jsonargparse.ArgumentParser(prog=program, description=_summary(function), exit_on_error=False)
    parser.add_function_arguments(function, as_positional=True)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parsed = parser.parse_args(_spell_flags(function, argv))
    except (jsonargparse.ArgumentError, jsonargparse.ParserError, TypeError, ValueError) as error:
        raise ConfigError(_first_sentence(error), mend=f"`{program} --help` shows what it takes") from None
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise ConfigError(
            f"cannot read {' '.join(argv)!r}", mend=f"`{program} --help` shows what it takes"
        ) from None
    return function(**parsed.as_dict())


def split_overrides(argv: list[str]) -> tuple[list[str], list[str]]:
    """Separate overrides of a rig (``--streams.camera.fps=60``) from a verb's own arguments."""
    mine: list[str] = []
    rig: list[str] = []
    for argument in argv:
        is_rig = argument.startswith("--") and argument[2:].startswith(RIG_KEYS)
        (rig if is_rig else mine).append(argument)
    return mine, rig


def _spell_flags(function: Callable[..., Any], argv: list[str]) -> list[str]:
    """Write ``--json`` as ``--json=true`` where the parameter is a switch."""
    switches = {
        f"--{name}"
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation in (bool, "bool")
    }
    return [f"{argument}=true" if argument in switches else argument for argument in argv]


def _summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _first_sentence(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    return text.rstrip(".") or type(error).__name__
