"""The keys of a rig as they stand in its file, with what the command line sets in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from drivers.errors import ConfigError
from drivers.typed import nearest


@dataclasses.dataclass(frozen=True)
class Keys:
    """What a rig's file says; no key is checked yet.

    Attributes:
        tree: the keys, overrides applied.
        spoken: value of each override as it was typed, by its key, for messages.
        text: the tree as YAML; the file's own text where nothing is overridden.
    """

    tree: dict[str, Any]
    spoken: dict[str, str]
    text: str


def read_keys(path: Path, overrides: Sequence[str]) -> Keys:
    """Read a rig's file and set what the command line says.

    Args:
        overrides: ``--streams.camera.fps=30`` each.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or an override sets nothing that can be.
    """
    text, source = _read(path), str(path)
    tree = _parse_yaml(text, source)
    spoken: dict[str, str] = {}
    for override in overrides:
        key, value = _split_override(override)
        spoken[key] = value
        _assign(tree, key, value, source)
    if overrides:
        text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return Keys(tree, spoken, text)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, where YAML would silently keep the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str) and key in seen:
            raise yaml.MarkedYAMLError(problem=f"'{key}' stands twice", problem_mark=key_node.start_mark)
        if isinstance(key, str):
            seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no rig file {path}", mend="Give the path of a rig, such as configs/rigs/simulated.yaml"
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, not a rig file", mend="Give one YAML file of it") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text", mend="Give a rig, a YAML file in UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend="Check its permissions") from error


def _parse_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        # A SafeLoader: it makes plain values only.
        tree = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{source}{where} is not valid YAML: {error.problem}", mend="Correct that line"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{source} is not valid YAML: {error}", mend="Compare it with configs/rigs/simulated.yaml"
        ) from error
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{source} is not a rig: it holds no keys", mend="Compare it with configs/rigs/simulated.yaml"
        )
    return tree


def _split_override(override: str) -> tuple[str, str]:
    key, equals, value = override.removeprefix("--").partition("=")
    if not equals or not key:
        raise ConfigError(f"'{override}' sets nothing", mend="Write it as --streams.camera.fps=30")
    return key, value


def _assign(tree: dict[str, Any], key: str, value: str, source: str) -> None:
    *folders, leaf = key.split(".")
    node: Any = tree
    for depth, part in enumerate(folders):
        if depth == 1 and folders[0] == "streams" and part not in node:
            raise ConfigError(
                f"{source} has no stream '{part}', which --{key} would change",
                mend=nearest(part, node, "Streams"),
            )
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError(
                f"--{key} cannot be set: '{part}' holds a value, not keys", mend=f"Set --{part}= instead"
            )
    try:
        node[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        node[leaf] = value
