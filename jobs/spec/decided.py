"""What races in a run, and why some specifications leave nothing to decide between periods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.catalog import metrics
from jobs.catalog.suggest import unknown
from jobs.spec.keys import RECIPE_KEYS
from jobs.spec.looks import looks
from jobs.spec.setting import Setting, label
from jobs.spec.tuning import LADDERED

if TYPE_CHECKING:
    from jobs.spec.model import Spec


def contender(spec: Spec, backbone: str, setting: Setting) -> str:
    """What races: a network, in a grid with the setting, but for the key that is tuned."""
    return label(backbone, {key: value for key, value in setting.items() if key != spec.tune})


def require_decidable(spec: Spec) -> None:
    """Raise `ValueError` where a race or a tuned key could decide nothing."""
    if spec.splits > 1 and (spec.race or spec.tune is not None):
        raise ValueError(
            "race and tune decide by the validation images of one split, which are among the test "
            "images of others; give splits 1, or leave race and tune out"
        )
    if spec.tune is not None:
        _require_tunable(spec, spec.tune)
    if not spec.race:
        return
    if looks(True, spec.tune, spec.periods) < 1:
        least, after = (2, "") if spec.tune is None else (3, ", after the first, which tune uses")
        raise ValueError(
            f"race stops networks between periods{after}, so it needs {least} periods or more, not "
            f"{spec.periods}; give more, or leave race out"
        )
    racing = {
        contender(spec, name, setting)
        for name in spec.backbones
        for setting in spec.settings_of(name)
    }
    if len(racing) < 2:
        raise ValueError(
            f"race compares networks, and there is only {racing.pop()}; give another backbone, or "
            "leave race out"
        )
    if metrics.chosen(spec.metric).name != metrics.DEFAULT:
        raise ValueError(
            f"race compares networks by accuracy, not by {spec.metric}; leave one of them out "
            "('orch report --metric' shows another metric afterwards)"
        )


def _require_tunable(spec: Spec, key: str) -> None:
    if key not in RECIPE_KEYS:
        raise ValueError(f"tune takes a key of the recipe: {unknown('key', key, RECIPE_KEYS)}")
    if spec.periods < 2:
        raise ValueError(
            f"tune chooses a {key} after the first of several periods, and there is only one; give "
            f"more periods, or a list of values without tune, such as {key}: [..., ...]"
        )
    for name in spec.backbones:
        if key not in spec.lists_of(name):
            own = f"{name} has a {key} of its own" if spec.grid.get(key) else "it has one value"
            hint = "" if key == LADDERED else "; give a list of values of it, or leave tune out"
            raise ValueError(f"tune {key} needs several values of {key}, and {own}{hint}")
