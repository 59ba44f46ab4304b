"""Writing what was calibrated into a rig: the lines that say it change, comments and all else stay."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from drivers.errors import ConfigError

KEY = "latency_ms"
CALIBRATION = "calibration"

Values = Mapping[str, float | str]


def with_latencies(text: str, latencies: dict[str, float], source: str) -> str:
    """Return the text of a rig with ``latency_ms`` of some streams set; see :func:`with_values`."""
    return with_values(text, KEY, latencies, source)


def with_values(text: str, key: str, values: Values, source: str) -> str:
    """Return the text of a rig with one key of some streams set.

    Args:
        text: the rig, YAML.
        key: the key.
        values: numbers or texts, by stream; streams that the rig does not have are left out.
        source: name of the file, for errors.

    Raises:
        ConfigError: the text is no rig, or writes a stream in a way that can't be edited line by line.
    """
    before = _load(text, source)
    edits: list[tuple[int, int, str]] = []
    for name, (head, node) in _streams(text, source).items():
        if name not in values:
            continue
        value = _scalar(values[name])
        if node.flow_style or head.start_mark.line == node.start_mark.line:
            raise _unclear(source, f"{name}.{key}", value)
        old = [v for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == key]
        if old:
            edits.append((old[0].start_mark.index, old[0].end_mark.index, value))
        else:
            first = node.value[0][0].start_mark
            at = first.index - first.column
            edits.append((at, at, f"{' ' * first.column}{key}: {value}\n"))
    for start, stop, value in sorted(edits, reverse=True):
        text = text[:start] + value + text[stop:]
    _prove(before, text, key, values, source)
    return text


def write_latencies(path: Path | str, latencies: dict[str, float]) -> tuple[str, ...]:
    """Set ``latency_ms`` of streams in a rig's file; see :func:`write_values`."""
    return write_values(path, KEY, latencies)


def write_values(path: Path | str, key: str, values: Values) -> tuple[str, ...]:
    """Set one key of streams in a rig's file; the file as it was is kept beside it as ``NAME.bak``.

    Returns:
        the streams that the rig has and that were set.

    Raises:
        ConfigError: the file can't be read, written, or edited surely; it is as it was.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", mend="Give a rig, a YAML file") from error
    new = with_values(text, key, values, str(path))
    try:
        _replace(path.with_name(path.name + ".bak"), text)
        _replace(path, new)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", mend="Check its permissions"
        ) from error
    return tuple(name for name in _streams(new, str(path)) if name in values)


def _scalar(value: float | str) -> str:
    """Return a value as it stands in YAML: texts in double quotes, whatever is in them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value:g}"


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        if path.exists():
            Path(name).chmod(path.stat().st_mode)
        else:
            Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _load(text: str, source: str) -> dict[str, object]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML", mend="Correct it first") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("streams"), dict):
        raise ConfigError(
            f"{source} is no rig: it names no streams", mend="Give the rig that the session was recorded with"
        )
    return tree


def _streams(text: str, source: str) -> dict[str, tuple[yaml.Node, yaml.MappingNode]]:
    """Return the key and the mapping of each stream, as they stand in the text."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # _load has seen to it
    for key, node in root.value:
        if key.value == "streams" and isinstance(node, yaml.MappingNode):
            return {k.value: (k, v) for k, v in node.value if isinstance(v, yaml.MappingNode)}
    raise ConfigError(f"{source} is no rig: it names no streams", mend="Give a rig")


def _prove(before: dict[str, object], text: str, key: str, values: Values, source: str) -> None:
    """Compare the rig as it will be read with what it should say."""
    streams = before["streams"]
    assert isinstance(streams, dict)
    for name, value in values.items():
        if isinstance(streams.get(name), dict):
            streams[name] = {**streams[name], key: yaml.safe_load(_scalar(value))}
    try:
        after = yaml.safe_load(text)
    except yaml.YAMLError:
        after = None
    if after != before:
        name = next((name for name in values if name in streams), "")
        raise _unclear(source, f"{name}.{key}", _scalar(values.get(name, "")))


def _unclear(source: str, key: str, value: str) -> ConfigError:
    name = key.partition(".")[0]
    return ConfigError(
        f"{source} writes streams.{name} in a way that is not edited safely; nothing was written",
        mend=f"Set streams.{key} to {value} by hand",
    )
