"""Command-line arguments in the one dialect: typed functions, ``--key=value``, unknown keys refused."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import itertools
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from drivers.errors import ConfigError

if TYPE_CHECKING:
    import jsonargparse

RIG_KEYS = ("streams.", "bus.", "name=", "vision=", "subject=", "task=", "metadata.", "markers.", "recorder.")

KINDS = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "text"}
"""Types of options in words."""


class UsageError(ConfigError):
    """The command line itself is wrong; ends with the exit status that shells use for this."""

    exit_status = 2


def call(function: Callable[..., int], argv: list[str], program: str, words: str = "") -> int:
    """Parse ``argv`` by the signature and docstring of ``function`` and call it.

    Parameters without a default are positional, or required options where they are keyword-only.
    ``--help`` prints and exits 0.

    Args:
        function: the verb.
        argv: without the program's name, and without what stands for ``words``.
        program: how the user called it.
        words: that the verb takes beside its options, as its usage shows them.

    Raises:
        UsageError: an argument is unknown, missing or of the wrong type.
    """
    import jsonargparse

    shown = f"{program} {words}".rstrip()
    parser = jsonargparse.ArgumentParser(prog=shown, description=_summary(function), exit_on_error=False)
    parameters = inspect.signature(function).parameters.values()
    options: set[str | int] = {
        parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY
    }
    others: set[str | int] = {parameter.name for parameter in parameters if parameter.name not in options}
    parser.add_function_arguments(function, as_group=False, as_positional=True, skip=options)
    parser.add_function_arguments(function, as_group=False, as_positional=False, skip=others)
    return function(**parse(parser, argv, program).as_dict())


def parse(parser: jsonargparse.ArgumentParser, argv: list[str], program: str) -> jsonargparse.Namespace:
    """Parse ``argv``; ``--switch`` alone means ``--switch=true``.

    Args:
        parser: made with ``exit_on_error=False``.
        argv: without the program's name.
        program: how the user called it.

    Raises:
        UsageError: an argument is unknown, missing or of the wrong type.
        ConfigError: a file given with ``--config`` cannot be read, or says what nothing understands.
    """
    import jsonargparse

    defaults = dict(parser.get_defaults().items())
    help_tells = f"`{program} --help` shows what it takes"
    for word in argv:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in ("--", "--help") and option[2:] not in defaults:
            raise UsageError(f"there is no option {option}", mend=_near(option[2:], defaults, help_tells))
    words = [f"{w}=true" if isinstance(defaults.get(w.removeprefix("--")), bool) else w for w in argv]
    for name, value in itertools.pairwise(part for word in words for part in word.split("=", 1)):
        if name == "--config":
            read_mapping(value)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            parsed = parser.parse_args(words)
    except (jsonargparse.ArgumentError, jsonargparse.ParserError, TypeError, ValueError) as error:
        raise _in_words(error, defaults, help_tells) from None
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UsageError(f"cannot read {' '.join(argv)!r}", mend=help_tells) from None
    return parsed


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the keys of a YAML file of options.

    Raises:
        ConfigError: it is not there, is no YAML, or holds no keys.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration {path}", mend="The folder configs holds those that come along"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="Give a YAML file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{path}{where} is not valid YAML: {error.problem}", mend="Correct that line"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(f"{path} is not a YAML file", mend="Give a YAML file of options") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} holds no options", mend="Give a YAML file of options") from None
    return tree


def split_overrides(argv: list[str], own: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """Separate a verb's own arguments from overrides of a rig (``--streams.camera.fps=60``).

    Args:
        argv: all of them.
        own: keys that a rig has, but that the verb wants for itself.
    """
    mine: list[str] = []
    rig: list[str] = []
    for argument in argv:
        key = argument.removeprefix("--")
        is_rig = key != argument and key.startswith(RIG_KEYS) and key.partition("=")[0] not in own
        (rig if is_rig else mine).append(argument)
    return mine, rig


def check_positive(option: str, value: float | None, unit: str = "") -> None:
    """Refuse a number that is not more than 0; None passes.

    Raises:
        UsageError: it is not.
    """
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise UsageError(f"{option} is {value:g}", mend=f"Give a number{unit and ' of ' + unit} more than 0")


def in_words(message: str) -> tuple[str, str] | None:
    """Return what is wrong and its mend where jsonargparse tells of a value of the wrong type, or None."""
    key = re.search(r'Parser key "([\w.]+)"', message)
    value = re.search(r"(?:Given|Got) value: (.*)", message)
    kinds = re.findall(r"Expected an? <class '(\w+)'>", message)
    words = dict.fromkeys(KINDS.get(kind, str(kind)) for kind in kinds if kind != "NoneType")
    if not (key and value and words):
        return None
    return f"--{key[1]} is '{value[1].strip()[:80]}'", f"It must be {' or '.join(words)}"


def _in_words(error: Exception, known: Iterable[str], help_tells: str) -> ConfigError:
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    said = in_words(text)
    if said is not None:
        return UsageError(said[0], mend=said[1])
    unknown = re.search(r"Option '([\w.]+)' is not accepted", text)
    if unknown:  # an option of the command line was found before: this one is in a file
        return ConfigError(
            f"--config: there is no option '{unknown[1]}'", mend=_near(unknown[1], known, help_tells)
        )
    return UsageError(text[:300], mend=help_tells)


def _near(word: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean --{near[0]}?" if near else otherwise


def _summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
