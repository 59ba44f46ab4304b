"""Plain values, as YAML gives them, into a dataclass: every key known, every type right.

The conversion is jsonargparse's, one key at a time, so that an error is one line that names the
key, what it should be and what it is.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from drivers.errors import ConfigError

T = TypeVar("T")


def build(
    cls: type[T],
    values: Any,
    where: str,
    source: str,
    spoken: Mapping[str, str] | None = None,
    *,
    also: Collection[str] = (),
) -> T:
    """Make an instance of the dataclass ``cls``.

    Args:
        values: mapping of its fields, of plain values; None stands for an empty one.
        where: dotted place of the mapping within ``source``, or empty.
        source: file that the values come from, for messages.
        spoken: dotted key -> text, as given on the command line: a text field takes it as it is.
        also: other keys that are allowed there, named as candidates for a misspelt one.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong type, or one that the class refuses.
    """
    values = {} if values is None else values
    place = where or "the file"
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: {place} holds no keys", mend="Write 'key: value' lines under it")
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls)) if field.init}
    hints = _hints(cls)
    for key in values:
        if key not in fields:
            known = [*fields, *also]
            raise ConfigError(
                f"{source}: {place} has an unknown key '{key}'", mend=nearest(str(key), known, "Known keys")
            )
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise ConfigError(
                f"{source}: {place} has no '{name}'",
                mend=f"Add '{name}:' with {describe(hints[name])}",
            )
    prefix = f"{where}." if where else ""
    converted = {}
    for key, value in values.items():
        text = (spoken or {}).get(prefix + key)
        converted[key] = _convert(hints[key], value, text, prefix + key, source)
    try:
        return cls(**converted)
    except ConfigError as error:
        raise ConfigError(f"{source}: {place}: {error.what}", mend=error.mend) from error
    except ValueError as error:
        raise ConfigError(f"{source}: {place}: {error}", mend="Correct the value") from error


def nearest(word: str, known: Iterable[str], title: str) -> str:
    """Return a hint: the nearest known word, or all of them."""
    known = [str(item) for item in known]
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"{title}: {', '.join(known)}"


def describe(hint: Any) -> str:
    """Name a type in words."""
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    if hint in words:
        return words[hint]
    if hint is None or hint is types.NoneType:
        return "null"
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return "one of " + ", ".join(str(item) for item in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(item) for item in arguments)
    if origin in (tuple, list):
        inner = [describe(item) for item in arguments if item is not Ellipsis]
        size = f" of {len(inner)}" if origin is tuple and Ellipsis not in arguments else ""
        return f"a list{size}, each {' or '.join(dict.fromkeys(inner))}"
    if origin is dict:
        return f"a mapping of {' to '.join(describe(item) for item in arguments)}"
    return str(getattr(hint, "__name__", hint))


def _convert(hint: Any, value: Any, text: str | None, key: str, source: str) -> Any:
    if hint is Any:  # a tree that its owner builds: texts stay texts, where jsonargparse makes 1 of "01"
        return value
    candidates = [value] if text is None else [value, text]
    for candidate in candidates:
        if candidate is None and types.NoneType not in typing.get_args(hint):
            continue
        parser, errors = _parser(hint)
        try:
            return parser.parse_object({"value": candidate}).value
        except errors:
            continue
    raise ConfigError(
        f"{source}: {key} is {value!r:.80}",
        mend=f"It must be {describe(hint)}",
    )


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@functools.cache
def _parser(hint: Any) -> tuple[Any, tuple[type[Exception], ...]]:
    # Imported here: it takes a tenth of a second, and most verbs read no rig.
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=hint)
    return parser, (ArgumentError, TypeError, ValueError, KeyError)
