"""The recorded trial that is most like a planned one, and what differs between them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs import atomic
from jobs.errors import OrchError
from jobs.spec.model import DataSettings
from jobs.store.store import Store
from jobs.task import Trial


@dataclass(frozen=True, slots=True)
class Difference:
    """A key with the value of the recorded trial and that of the planned one."""

    key: str
    there: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.key} {_said(self.there)} -> {_said(self.here)}"


@dataclass(frozen=True, slots=True)
class Nearest:
    """A recorded trial of the same network, and what the planned one changes."""

    trial: str
    differences: tuple[Difference, ...]


def recorded(store: Store) -> dict[str, list[Trial]]:
    """The readable trials of a store by backbone; none where there is no store."""
    by_backbone: dict[str, list[Trial]] = {}
    for name in sorted(atomic.list_names(store.trials_folder)):
        with contextlib.suppress(OrchError, OSError):
            trial = store.load_trial(name)
            by_backbone.setdefault(trial.backbone, []).append(trial)
    return by_backbone


def nearest(
    store: Store, trial: Trial, settings: DataSettings, trials: Mapping[str, list[Trial]]
) -> Nearest | None:
    """The trial of the same network with the fewest differences, on the same data if there is one.

    `settings` are those of the planned trial's data set.
    """
    others = [each for each in trials.get(trial.backbone, ()) if each.name != trial.name]
    near = [
        Nearest(each.name, tuple(_differences(store, each, trial, settings))) for each in others
    ]
    data = {each.name: each.data for each in others}
    return min(
        near, key=lambda n: (data[n.trial] != trial.data, len(n.differences), n.trial), default=None
    )


def data_differences(
    store: Store, there: str, here: str, settings: DataSettings
) -> list[Difference]:
    """The settings that differ between a recorded data set and a planned one, else the files."""
    try:
        old = store.described(there).settings.model_dump()
    except (OrchError, OSError):
        return [Difference("data", there, here)]
    new = settings.model_dump()
    changed = [Difference(f"data.{key}", old[key], new[key]) for key in new if old[key] != new[key]]
    return changed or [Difference("data", there, here)]


def _differences(
    store: Store, there: Trial, here: Trial, settings: DataSettings
) -> Iterator[Difference]:
    if there.data != here.data:
        yield from data_differences(store, there.data, here.data, settings)
    old, new = _values(there), _values(here)
    for key in dict.fromkeys([*new, *old]):
        if old.get(key) != new.get(key):
            yield Difference(key, old.get(key), new.get(key))


def _values(trial: Trial) -> dict[str, Any]:
    network = trial.network.as_dict() if trial.network else {}
    return {
        "weights": trial.weights,
        **trial.recipe.model_dump(mode="json"),
        "seed": trial.seed,
        **{f"network.{key}": value for key, value in network.items()},
    }


def _said(value: Any) -> str:
    return "none" if value is None else str(value)
