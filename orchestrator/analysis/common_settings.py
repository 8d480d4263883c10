"""What tells the trainings of a network apart in several runs, in the words of a grid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs import plan
from jobs.catalog.presets import PRESETS
from jobs.spec import networks, setting
from jobs.spec.keys import RECIPE_KEYS
from jobs.spec.model import Spec
from jobs.spec.recipe import DataSettings, Recipe
from jobs.spec.setting import Setting
from jobs.task import Trial
from orchestrator.analysis.run_data import RunData

OF_NETWORK = ("weights", "mean", "deviation", "source")
SHOWN_DIGITS = 8
IMPLIED = {"margin", "split_size", "test_only"}
"""Keys of a data set that follow from others; augmentations decide on the margin."""
OF_DATA = tuple(key for key in DataSettings.model_fields if key not in IMPLIED)


@dataclass(frozen=True, slots=True)
class CommonSetting:
    """A network with what tells it apart from the same network in all runs that are compared.

    `within` is the part of the setting that varies within one of the runs.
    """

    backbone: str
    setting: Setting
    within: Setting

    @property
    def label(self) -> str:
        """What stands for it in all runs: `resnet34, learning_rate 0.003`."""
        return setting.label(self.backbone, self.setting)

    @property
    def contender(self) -> str:
        """What stands for it in rankings, of which each is of one run with its settings."""
        return setting.label(self.backbone, self.within)


@dataclass(frozen=True, slots=True)
class _Described:
    """A run's own label, with all that names its trials but the seed.

    `of_preset` is the recipe that the run's preset alone gives. `tested_on` numbers the test images
    and `contents` all images, without their preparation.
    """

    run: int
    label: str
    backbone: str
    values: Mapping[str, Any]
    of_preset: Mapping[str, Any]
    tested_on: int
    contents: int


def common_settings(
    runs: Sequence[RunData], tested_on: Sequence[int], contents: Sequence[int]
) -> list[dict[str, CommonSetting]]:
    """For each run the common setting of each of its own labels.

    Trials of a network with equal settings differ in nothing but the seed and the epoch, and in
    their data only where they are tested on other images. `tested_on` numbers these for each run,
    and `contents` all its images.
    """
    common: list[dict[str, CommonSetting]] = [{} for _ in runs]
    by_network: dict[str, list[_Described]] = defaultdict(list)
    for place, (run_data, *images) in enumerate(zip(runs, tested_on, contents, strict=True)):
        for one in _described(run_data, place, *images):
            by_network[one.backbone].append(one)
    for backbone, several in by_network.items():
        keys = _telling(several)
        varied = {key for run_data in runs for key in run_data.run.spec.lists_of(backbone)}
        inner = setting.in_order(varied)
        for one in several:
            common[one.run][one.label] = CommonSetting(
                backbone, _chosen(one, keys), _chosen(one, inner)
            )
    return common


def _chosen(one: _Described, keys: Iterable[str]) -> Setting:
    return {key: one.values[key] for key in keys}


def _described(run_data: RunData, place: int, tested_on: int, contents: int) -> list[_Described]:
    """Each of a run's own labels once, by its first trial."""
    spec, first = run_data.run.spec, dict[str, Trial]()
    for name, trial in run_data.trials.items():
        first.setdefault(run_data.label(name), trial)
    return [
        _Described(
            place,
            label,
            trial.backbone,
            values_of(spec, trial),
            _of_preset(spec, trial.backbone),
            tested_on,
            contents,
        )
        for label, trial in first.items()
    ]


def values_of(spec: Spec, trial: Trial) -> dict[str, Any]:
    """All that names a trial but its seed, by the keys of a specification.

    Own files, and own weights files, are known by the first digits of their checksums.
    """
    own = trial.network
    usual = networks.STUDY if own is None else own
    source = None if own is None or own.source is None else own.source[:SHOWN_DIGITS]
    file = None if own is None or own.weights is None else own.weights[:SHOWN_DIGITS]
    fixed = spec.fixed(trial.backbone, plan.setting_of(spec, trial))
    data = fixed.data_settings(trial.backbone)
    return {
        "data": trial.data,
        "preset": spec.preset,
        "weights": file or trial.weights,
        "mean": usual.mean,
        "deviation": usual.deviation,
        "source": source,
        **setting.of_recipe(trial.recipe, RECIPE_KEYS),
        **{key: getattr(data, key) for key in OF_DATA},
    }


def _of_preset(spec: Spec, backbone: str) -> dict[str, Any]:
    """The recipe that the preset alone would give a network; empty for an unknown preset."""
    preset = PRESETS.get(spec.preset)
    if preset is None:
        return {}
    usual = {key: Recipe.model_fields[key].default for key in RECIPE_KEYS}
    named = {key: value for key, value in preset.settings.items() if key in usual}
    bare = spec.networks.get(backbone, networks.Network()).model_copy(
        update={**dict.fromkeys(networks.RECIPE_KEYS), "grid": {}}
    )
    described = {**spec.networks, backbone: bare}
    plain = spec.model_copy(update={**usual, **named, "grid": {}, "networks": described})
    return setting.of_recipe(plain.recipe(backbone), RECIPE_KEYS)


def _telling(several: Sequence[_Described]) -> tuple[str, ...]:
    """The keys in which the trials of a network differ, in the order of the documentation.

    The preset stands for those of its keys that no run has set otherwise. Keys of the data count
    where the test images are the same; the name of the data set where nothing else tells.
    """
    same_images: dict[int, list[_Described]] = defaultdict(list)
    for one in several:
        same_images[one.tested_on].append(one)
    keys = [key for key in (*OF_NETWORK, *RECIPE_KEYS) if _differ(several, key)]
    keys += [key for key in OF_DATA if any(_differ(one, key) for one in same_images.values())]
    if by_preset := [key for key in keys if key in RECIPE_KEYS and _follows_preset(several, key)]:
        keys = ["preset", *(key for key in keys if key not in by_preset)]
    if any(_hidden_data(one, keys) for one in same_images.values()):
        keys.append("data")
    last = [key for key in keys if key == "source"]  # no key of a specification
    return (*setting.in_order(keys), *last)


def _differ(several: Sequence[_Described], key: str) -> bool:
    return any(one.values[key] != several[0].values[key] for one in several)


def _follows_preset(several: Sequence[_Described], key: str) -> bool:
    """Whether every run has the value of its preset, and runs with one preset have one value."""
    if not all(key in one.of_preset and one.values[key] == one.of_preset[key] for one in several):
        return False
    of_preset: dict[str, Any] = {}
    return all(
        of_preset.setdefault(one.values["preset"], one.values[key]) == one.values[key]
        for one in several
    )


def _hidden_data(several: Sequence[_Described], keys: Sequence[str]) -> bool:
    """Whether these keys do not tell trials on different data apart."""
    seen: dict[str, int] = {}
    return any(
        seen.setdefault(repr(_chosen(one, keys)), one.contents) != one.contents for one in several
    )
