"""Choose among the networks and settings of a run, by what a command or a program names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs import plan
from jobs.catalog.suggest import unknown
from jobs.errors import BadSpec, RequestError
from jobs.spec.keys import KEYS, RECIPE_KEYS
from jobs.spec.setting import network_of, told_of, value_told
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Trial

Wanted = Mapping[str, Any]
"""Values of keys of the recipe that a trial has to have."""


def parse(texts: Iterable[str]) -> dict[str, Any]:
    """The values in texts such as `learning_rate=0.003`; raises `BadSpec`."""
    given: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise BadSpec(f"--setting {text[:80]}: write KEY=VALUE, such as learning_rate=0.003.")
        given[key.strip()] = value.strip()
    return checked(given)


def checked(given: Wanted) -> dict[str, Any]:
    """The values as recipes hold them; raises `BadSpec` for an unknown key or a bad value."""
    from jobs.spec import synonyms
    from jobs.spec.recipe import Recipe
    from jobs.spec.spelling import ALIASES
    from jobs.spec.value_lists import checked as checked_values

    wanted = {}
    for name, value in given.items():
        key = ALIASES.get(name.replace("-", "_"), name.replace("-", "_"))
        if key not in RECIPE_KEYS:
            meant = synonyms.key_meant(key, RECIPE_KEYS)
            hint = f" Did you mean '{meant}'?" if meant else ""
            raise BadSpec(
                f"--setting: unknown key '{name[:80]}'.{hint} Keys: {', '.join(RECIPE_KEYS)}."
            )
        plain = value == "true" if KEYS[key].kind is bool and value in ("true", "false") else value
        (wanted[key],) = checked_values(key, [plain], Recipe)
    return wanted


def chosen(store: Store, run: Run, backbones: Iterable[str], wanted: Wanted) -> dict[str, str]:
    """The labels of the trials that are meant, by trial; raises `RequestError` if there are none.

    No backbones given: those of all.
    """
    named = list(backbones)
    for backbone in named:
        if backbone not in run.spec.backbones:
            raise RequestError(f"{unknown('backbone', backbone, run.spec.backbones)}.")
    trials = {name: store.load_trial(name) for name in run.trials}
    of_networks = {
        name: trial for name, trial in trials.items() if not named or trial.backbone in named
    }
    meant = {name: trial for name, trial in of_networks.items() if _has(trial, wanted)}
    if not meant:
        asked = ", ".join(f"{key} {value_told(value)}" for key, value in wanted.items())
        there = _choices(plan.label_of(run.spec, trial) for trial in of_networks.values())
        raise RequestError(f"--setting: the run {run.name} has no trial with {asked}. {there}")
    return {name: plan.label_of(run.spec, trial) for name, trial in meant.items()}


def require_one(backbone: str, labels: Iterable[str]) -> str:
    """The only one of the labels; raises `RequestError` with the choices where there are more."""
    several = list(dict.fromkeys(labels))
    if len(several) > 1:
        key, _, value = told_of(several[0]).split(", ")[0].partition(" ")
        raise RequestError(
            f"{backbone} was trained with several settings. Choose with --setting, such as "
            f"--setting {key}={value}. {_choices(several)}"
        )
    return several[0]


def _has(trial: Trial, wanted: Wanted) -> bool:
    return all(getattr(trial.recipe, key) == value for key, value in wanted.items())


def _choices(labels: Iterable[str]) -> str:
    """The settings there are, in a line."""
    told = list(dict.fromkeys(told_of(label) or network_of(label) for label in labels))
    return f"There are: {'; '.join(told)}."
