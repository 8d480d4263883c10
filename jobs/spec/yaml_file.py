"""Read a specification file: untrusted YAML with plain values only."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from jobs.errors import BadSpec

MAX_BYTES = 100_000
WITH_MAPPINGS = ("backbones", "backbone", "class_weights", "requires")
"""Keys whose value or list may hold mappings."""
PLAIN = (str, int, float, bool, type(None))


class Loader(yaml.SafeLoader):
    """Safe YAML loader that rejects duplicate keys and merge keys (`<<`).

    A few lines of nested merges could exhaust the memory. Keys are text as written: a class may be
    called `007`, `1.0` or `no`.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "'<<' is not supported", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
                key.tag = "tag:yaml.org,2002:str"


def read(path: Path) -> dict[str, Any]:
    """Keys of a specification file with their plain values or lists; raises `BadSpec`."""
    try:
        values = yaml.load(_text(path), Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).replace(' in "<unicode string>", line', " at line").split())
        raise BadSpec(f"{path} is not valid YAML: {why[:300]}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise BadSpec(f"{path} must contain keys and values, such as 'periods: 3'.")
    for key, value in values.items():
        allowed = _is_entry if key.replace("-", "_") in WITH_MAPPINGS else _is_plain
        if not all(map(allowed, value if isinstance(value, list) else [value])):
            raise BadSpec(
                f"{path}: {key} must be a value or a list of values, such as 'split: [70, 10, 20]'."
            )
    return values


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN)


def _is_entry(value: Any) -> bool:
    """Whether it is a plain value, or a mapping of keys to plain values and lists of them.

    In the mapping, `requires` may hold a mapping again.
    """
    if not isinstance(value, dict):
        return _is_plain(value)
    required = value.get("requires")
    if isinstance(required, dict):
        value = {**value, "requires": [*required, *required.values()]}
    inner = (each for one in value.values() for each in (one if isinstance(one, list) else [one]))
    return all(isinstance(key, str) for key in value) and all(
        isinstance(each, PLAIN) for each in inner
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            contents = handle.read(MAX_BYTES + 1)
        if len(contents) > MAX_BYTES:
            raise BadSpec(
                f"{path} is not a specification: it has more than {MAX_BYTES:,} bytes. Images are "
                "given with --data."
            )
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSpec(
            f"cannot read the specification {path}: it is not UTF-8 text ({error}). Save it as "
            "UTF-8."
        ) from None
    except IsADirectoryError:
        raise BadSpec(
            f"cannot read the specification {path}: it is a folder. Images are given with --data "
            f"{shlex.quote(str(path))}."
        ) from None
    except (OSError, ValueError) as error:
        raise BadSpec(
            f"cannot read the specification {path}: {getattr(error, 'strerror', None) or error}."
        ) from None
