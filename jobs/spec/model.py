"""The specification of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from jobs import file_names
from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.catalog.backbones import CATALOG
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.catalog.corruptions import SEVERITIES, level_name, parse_choice
from jobs.catalog.presets import PRESETS
from jobs.catalog.reference import parse
from jobs.catalog.schedules import SCHEDULES
from jobs.catalog.suggest import unknown
from jobs.errors import BadSpec
from jobs.spec import (
    combinations,
    data_places,
    decided,
    duration,
    grid,
    networks,
    spelling,
    value_errors,
    yaml_file,
)
from jobs.spec.grid_settings import GridSettings
from jobs.spec.keys import BUILT_IN_KEYS, KEYS, NATIVE, Weights
from jobs.spec.network_places import placed
from jobs.spec.networks import RECIPE_KEYS, STUDY, Network, split_entries
from jobs.spec.recipe import DataSettings as DataSettings
from jobs.spec.recipe import LeadingMetric, key_field
from jobs.spec.recipe import Recipe as Recipe
from jobs.spec.setting import GRID, Setting, told
from jobs.spec.tuning import with_own_ladders

MAX_EPOCHS, MAX_TASKS = 9_999_999, 100_000
NEVER = "never"
NOT_ASKED = frozenset(name for name, key in KEYS.items() if not key.changes_run)
"""Keys that do not identify a run: submitting with other values continues the same run."""
HIDDEN = frozenset({"margin", "networks", "split_size", "test_only", "rank", GRID})
LATER = HIDDEN | {name for name, key in KEYS.items() if key.later}
"""Keys added later; names omit them at their defaults, so existing names do not change."""


def named_by(model: BaseModel) -> dict[str, Any]:
    """The values that names are derived from: all keys, except those of `LATER` at defaults."""
    values = model.model_dump(mode="json", exclude=at_defaults(model))
    if isinstance(model, Spec) and model.networks:
        values["networks"] = networks.named_by(model.networks)
        if not values["networks"]:
            del values["networks"]
    return values


def at_defaults(model: BaseModel) -> set[str]:
    """The keys of `LATER` that have their defaults."""
    fields = type(model).model_fields
    return {key for key in LATER & fields.keys() if getattr(model, key) == fields[key].default}


class Spec(GridSettings):
    """One comparison: data, backbones, periods, seeds and recipe. Unknown keys are rejected."""

    data: str = key_field("data")
    preset: str = key_field("preset")
    periods: int = key_field("periods", ge=1, le=10_000)
    epochs_per_period: int = key_field("epochs_per_period", ge=1, le=100_000)
    seeds: int = key_field("seeds", ge=1, le=10_000)
    weights: Weights = key_field("weights")
    name: str | None = key_field("name")
    metric: LeadingMetric = key_field("metric")
    race: bool = key_field("race")
    corruptions: tuple[str, ...] = key_field("corruptions")
    checkpoint_every: str = key_field("checkpoint_every")
    images: str | None = key_field("images")
    group_by: str | None = key_field("group_by")
    group_by_name: str | None = key_field("group_by_name")
    classes_at_top: bool = key_field("classes_at_top")

    @model_serializer(mode="wrap")
    def _in_order(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys in the order of the documentation, wherever they are declared."""
        values = dump(self)
        kept = [*KEYS, "networks", *(key for key in (GRID, "rank") if getattr(self, key))]
        return {key: values[key] for key in kept if key in values}

    @model_validator(mode="before")
    @classmethod
    def _networks_apart(cls, values: Any) -> Any:
        """Labels of the backbones apart from what the entries say of them; defaults that follow.

        Images have the native sizes if a network is outside the catalog. A built-in data set has
        its own defaults: digits use 64 px and no pretrained weights.
        """
        if not isinstance(values, dict) or "networks" in values:
            return values
        values = grid.apart(values)
        if "backbones" in values:
            values["backbones"], known = split_entries(values["backbones"])
            values["networks"] = with_own_ladders(known, values.get("tune"))
        foreign = any(name not in CATALOG for name in values.get("backbones", ()))
        if foreign:
            values.setdefault("image_size", NATIVE)
        elif values.get("image_size") == NATIVE:
            values["image_size"] = STUDY.image_size
        data = values.get("data", KEYS["data"].default)
        built_in = BUILT_IN_DATA.get(data) if isinstance(data, str) else None
        if built_in is None:
            return values
        return {key: getattr(built_in, key) for key in BUILT_IN_KEYS} | values

    @field_validator("corruptions", mode="before")
    @classmethod
    def _of_those_there_are(cls, value: Any) -> Any:
        return parse_choice(value)

    @field_validator("checkpoint_every", mode="before")
    @classmethod
    def _length_of_time(cls, value: Any) -> Any:
        """A bare number is seconds; null means `never`."""
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError("a duration is needed, such as 30s or 5m, or 'never'")
        text = str(value).strip()
        return NEVER if text == NEVER or duration.seconds(text) == 0 else text

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(unknown("preset", name, PRESETS))
        return name

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
            raise ValueError(
                "at most 80 letters, digits, '.', '_' and '-' are allowed, the first a letter or "
                f"digit, such as {file_names.plain(name).strip('.-_')[:80] or 'my-run'!r}"
            )
        return name

    @model_validator(mode="after")
    def _sizes_fit(self) -> Spec:
        for name in self.backbones:
            smallest = CATALOG[name].min_image_size if name in CATALOG else 0
            size = self.asked_of(name)["image_size"]
            if size is not None and size < smallest:
                raise ValueError(
                    f"image_size {size} is too small for {name}; it needs {smallest} or more"
                )
        self._require_settings()
        decided.require_decidable(self)
        if self.epochs > MAX_EPOCHS:
            raise ValueError(
                f"{self.periods} x {self.epochs_per_period} epochs exceed the maximum of "
                f"{MAX_EPOCHS:,} per trial; give fewer periods or fewer epochs per period"
            )
        trials = (
            self.splits * self.seeds * sum(len(self.settings_of(name)) for name in self.backbones)
        )
        tasks = (2 * self.periods + len(self.corruption_levels)) * trials
        if tasks > MAX_TASKS:
            raise ValueError(
                f"{tasks:,} tasks exceed the maximum of {MAX_TASKS:,} per run; "
                "give fewer periods, seeds, splits or backbones"
            )
        return self

    def _require_settings(self) -> None:
        """Raise `ValueError` for settings that are impossible, too many, or the same."""
        for name in self.backbones:
            grid.require_few(self.lists_of(name))
        for setting in grid.product(self.grid):
            try:
                combinations.require_possible(self.fixed(None, setting), self.is_random)
            except ValueError as error:
                raise ValueError(f"{told(setting)}: {error}" if setting else str(error)) from None
        for name in self.backbones if self.varies or self.networks else ():
            recipes = [(each, self.recipe(name, each)) for each in self.settings_of(name)]
            grid.require_distinct(name, recipes)
            if self.networks.get(name, Network()).given:
                combinations.require_possible_for(name, [recipe for _, recipe in recipes])

    @property
    def with_margin(self) -> bool:
        """Whether images are stored with a margin, for random crops."""
        return AUGMENTATIONS[self.augment].margin

    def recipe(self, backbone: str | None = None, setting: Setting | None = None) -> Recipe:
        """The recipe of the trials of a network; without one, of those that set nothing apart.

        Where a key has several values and no `setting` is given, it has the first of them.
        """
        if setting:
            return self.fixed(backbone, setting).recipe(backbone)
        known = self.networks.get(backbone or "", Network())
        values = {key: getattr(self, key) for key in Recipe.model_fields}
        if SCHEDULES[self.schedule].fixed_length:
            values["horizon_epochs"] = self.horizon_epochs or self.epochs
        own = {key: value for key in RECIPE_KEYS if (value := getattr(known, key)) is not None}
        if backbone is not None and self.is_random(backbone):
            own["freeze_batch_norm"] = False
        return Recipe(**values | own)

    def is_random(self, backbone: str) -> bool:
        """Whether this backbone begins with random weights; unknown of own ones: False."""
        return self.weights_of(backbone) == "none" and parse(backbone).library not in (
            "file",
            "entry",
        )

    def weights_of(self, backbone: str) -> Weights:
        """Initial weights of this backbone: `none` if no pretrained weights exist.

        `imagenet` are those of its library, or those of its own weights file.
        """
        if self.networks.get(backbone, Network()).weights is not None:
            return "imagenet"
        if backbone in CATALOG:
            return self.weights if CATALOG[backbone].has_pretrained else "none"
        return self.weights if parse(backbone).library in ("torchvision", "timm") else "none"

    @property
    def corruption_levels(self) -> list[str]:
        """Corruption levels evaluated after the last period: `blur-1`, `blur-2`, ..."""
        return [level_name(name, severity) for name in self.corruptions for severity in SEVERITIES]

    @property
    def checkpoint_every_s(self) -> float | None:
        """Seconds between checkpoints within an epoch; None means only at the end of the epoch."""
        return None if self.checkpoint_every == NEVER else duration.seconds(self.checkpoint_every)

    @property
    def epochs(self) -> int:
        """Number of epochs of a trial over all periods."""
        return self.periods * self.epochs_per_period


def build(values: dict[str, Any]) -> Spec:
    """Build a specification from plain values; raises `BadSpec` with a one-line message."""
    tidy = spelling.normalised(values)
    preset = PRESETS.get(str(tidy.get("preset")))
    if preset is not None:
        # Here, not in `Spec`: a recorded specification holds what its preset once set.
        tidy = {**preset.settings, **tidy}
    if "backbones" not in tidy:
        raise BadSpec(
            "no backbone was given. Give --all-backbones, or --backbone NAME (see 'orch models')."
        )
    data_places.resolve(tidy, Path())
    tidy["backbones"] = placed(tidy["backbones"], Path())
    try:
        return Spec(**tidy)
    except ValidationError as error:
        raise BadSpec(f"{value_errors.describe_errors(error, Spec)}.") from None


def read_file(path: Path) -> dict[str, Any]:
    """Keys and values of a YAML file, with key spellings normalised.

    A relative data folder is resolved against the folder of the file. Raises `BadSpec`.
    """
    tidy = spelling.normalised(yaml_file.read(path))
    data_places.resolve(tidy, path.absolute().parent)
    if "backbones" in tidy:
        tidy["backbones"] = placed(tidy["backbones"], path.absolute().parent)
    return tidy
