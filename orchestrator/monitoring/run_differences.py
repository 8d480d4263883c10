"""What tells the runs of a store apart: the settings in which their specifications differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from jobs.catalog.presets import PRESETS
from jobs.spec.keys import KEYS
from jobs.spec.setting import GRID, value_told

LEFT_OUT = ("name", "networks", "checkpoint_every", "requires")
SHOWN_NAMES = 3


def differences(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each run, its values of the settings in which the runs differ; none for a single run.

    A setting that an older record lacks does not count.
    """
    settings = {run: _with_lists(values) for run, values in settings.items()}
    runs = list(settings.values())
    keys = dict.fromkeys(key for values in runs for key in values if key not in LEFT_OUT)
    telling = [
        key
        for key in keys
        if all(key in values for values in runs) and any(v[key] != runs[0][key] for v in runs)
    ]
    return {run: {key: values[key] for key in telling} for run, values in settings.items()}


def apart(differing: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], str]:
    """For each run, in a line, its values other than those of most runs; and those of most.

    The preset stands for those of its keys that no run has set otherwise.
    """
    alike = _as_presets_say(list(differing.values()))
    differing = {
        run: {key: value for key, value in values.items() if key not in alike}
        for run, values in differing.items()
    }
    rows = list(differing.values())
    usual = {
        key: values[0]
        for key in (rows[0] if rows else ())
        if (values := [value for value in _column(rows, key) if _in_most(value, rows, key)])
    }
    own = {
        run: {
            key: value for key, value in values.items() if key not in usual or value != usual[key]
        }
        for run, values in differing.items()
    }
    return {run: told(values) for run, values in own.items() if values}, told(usual)


def _as_presets_say(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The keys that every run has as its preset sets them, or by default where that is silent."""
    if not rows or not all(row.get("preset") in PRESETS for row in rows):
        return set()
    return {
        key
        for key in rows[0].keys() & KEYS.keys()
        if any(key in PRESETS[row["preset"]].settings for row in rows)
        and all(
            row[key] == PRESETS[row["preset"]].settings.get(key, KEYS[key].default) for row in rows
        )
    }


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return [row[key] for row in rows]


def _in_most(value: Any, rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    return 2 * _column(rows, key).count(value) > len(rows)


def _with_lists(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the lists of a grid in place of their first values."""
    lists = values.get(GRID, {})
    return {key: lists.get(key, value) for key, value in values.items() if key != GRID}


def told(values: Mapping[str, Any]) -> str:
    """The values in a line, such as `seeds 3, learning_rate 0.01`."""
    return ", ".join(f"{key} {_shown(key, value)}" for key, value in values.items())


def _is_weight(value: Any) -> bool:
    """Whether it is a class with its weight."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], float)


def _shown(key: str, value: Any) -> str:
    if key == "data" and isinstance(value, str):
        return PurePath(value).name or value
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(map(_is_weight, value)):
            return value_told(value)
        names = [value_told(each) for each in value]
        more = f"+{len(names) - SHOWN_NAMES}" if len(names) > SHOWN_NAMES else ""
        return "/".join([*names[:SHOWN_NAMES], *([more] if more else [])]) or "none"
    return value_told(value)
