"""The settings with which the networks of a specification are trained, from its lists of values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from jobs.spec.grid import Grid, product
from jobs.spec.network_settings import NetworkSettings
from jobs.spec.networks import Network
from jobs.spec.recipe import Recipe, key_field
from jobs.spec.setting import Setting
from jobs.spec.value_lists import checked

MAX_SPLIT_SEED = 2**31


class GridSettings(NetworkSettings, Recipe):
    """A recipe of which keys may have several values, for all networks or for one of them.

    Each key itself holds the first of its values. Of those of `tune` each network keeps the best.
    """

    splits: int = key_field("splits", ge=1, le=100)
    tune: str | None = key_field("tune")
    grid: Grid = Field(default={}, description="lists of values for keys of the recipe")
    rank: bool = Field(default=False, description="networks are ranked, and none is trained")

    @field_validator("grid", mode="before")
    @classmethod
    def _lists(cls, lists: Any) -> Grid:
        """Lists from a record, each value as the recipe holds it."""
        return {key: checked(key, values, Recipe) for key, values in dict(lists).items()}

    @property
    def split_seeds(self) -> range:
        """What draws each of the splits that the networks are trained on."""
        return range(self.split_seed, self.split_seed + self.splits)

    @model_validator(mode="after")
    def _room_for_splits(self) -> Self:
        if self.split_seed + self.splits > MAX_SPLIT_SEED:
            raise ValueError(
                f"split_seed {self.split_seed} leaves no room for {self.splits} splits; give a "
                "smaller one"
            )
        return self

    @property
    def trials_of_a_seed(self) -> int:
        """How many trainings there are with each seed."""
        return self.splits * sum(len(self.settings_of(name)) for name in self.backbones)

    @property
    def varies(self) -> bool:
        """Whether a network is trained with several settings."""
        return any(self.lists_of(name) for name in self.backbones)

    def lists_of(self, backbone: str) -> Grid:
        """The lists of values for a network: what is its own stands in place of the run's."""
        known = self.networks.get(backbone, Network())
        run = {key: self.grid[key] for key in self.grid if getattr(known, key, None) is None}
        return {**run, **known.grid}

    def settings_of(self, backbone: str) -> list[Setting]:
        """The settings that a network is trained with; a single empty one without lists."""
        return list(product(self.lists_of(backbone)))

    def fixed(self, backbone: str | None, setting: Setting) -> Self:
        """The specification with one value for each key, for this network's sake.

        Recipes and names of trials are then those of a run without lists.
        """
        known = self.networks.get(backbone or "", Network())
        own = {key: value for key, value in setting.items() if key in known.grid}
        changed = {key: value for key, value in setting.items() if key not in own}
        if own:
            network = known.model_copy(update={**own, "grid": {}})
            changed["networks"] = {**self.networks, str(backbone): network}
        return self.model_copy(update={**changed, "grid": {}}) if self.grid or own else self

    def trained(self) -> Iterator[tuple[str, Setting, Self]]:
        """Each network with each of its settings, and the specification with that setting.

        With several splits so for each of them, with the `split_seed` of that split.
        """
        for split_seed in self.split_seeds:
            for name in self.backbones:
                for setting in self.settings_of(name):
                    fixed = self.fixed(name, setting)
                    if split_seed != self.split_seed:
                        fixed = fixed.model_copy(update={"split_seed": split_seed})
                    yield name, setting, fixed
