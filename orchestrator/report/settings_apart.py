"""Network and setting in place of a label, for rows that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.spec.setting import Setting, network_of, told
from orchestrator.analysis.run_data import RunData

Settings = Mapping[str, Setting]


def settings_of(run_data: RunData) -> dict[str, Setting]:
    """The setting of each label; none where nothing varies."""
    from jobs import plan

    spec = run_data.run.spec
    if not spec.varies:
        return {}
    return {
        run_data.label(name): plan.setting_of(spec, trial)
        for name, trial in run_data.trials.items()
    }


def in_json(value: Any, settings: Settings) -> Any:
    """The value with `backbone` and `setting` for each label that an object has as `backbone`."""
    if isinstance(value, dict):
        apart = {key: in_json(inner, settings) for key, inner in value.items()}
        return _apart(apart, settings, lambda setting: dict(setting))
    if isinstance(value, (list, tuple)):
        return [in_json(inner, settings) for inner in value]
    return value


def in_row(row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The row of a table, its setting as text."""
    return _apart(row, settings, told)


def _apart(row: dict[str, Any], settings: Settings, shown: Any) -> dict[str, Any]:
    label = row.get("backbone")
    if not isinstance(label, str) or label not in settings:
        return row
    return {
        "backbone": network_of(label),
        "setting": shown(settings[label]),
        **{key: value for key, value in row.items() if key != "backbone"},
    }
