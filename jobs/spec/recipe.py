"""The parts of a specification that own keys: how trials are trained, how data is prepared."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.schedules import SCHEDULES
from jobs.catalog.suggest import unknown
from jobs.spec import range_text
from jobs.spec.fields import KEYS, Augment, Precision

RangeText = Annotated[str, BeforeValidator(range_text.parse)]


def key_field(name: str, **limits: Any) -> Any:
    """The field of a key of `fields.KEYS`, with its default and description."""
    return Field(default=KEYS[name].default, description=KEYS[name].meaning, **limits)


class Recipe(BaseModel):
    """How a trial is trained, by default as in the study. Every key can change the results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = key_field("batch_size", ge=1, le=65536)
    learning_rate: float = key_field("learning_rate", gt=0, allow_inf_nan=False)
    momentum: float = key_field("momentum", ge=0, lt=1)
    optimiser: str = key_field("optimiser")
    schedule: str = key_field("schedule")
    plateau_patience: int = key_field("plateau_patience", ge=0, le=1_000_000)
    plateau_factor: float = key_field("plateau_factor", gt=0, lt=1)
    precision: Precision = key_field("precision")
    deterministic: bool = key_field("deterministic")
    augment: Augment = key_field("augment")
    early_stop: int | None = key_field("early_stop", ge=1, le=1_000_000)

    @field_validator("optimiser")
    @classmethod
    def _known_optimiser(cls, name: str) -> str:
        if name not in OPTIMISERS:
            raise ValueError(unknown("optimiser", name, OPTIMISERS))
        return name

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, name: str) -> str:
        if name not in SCHEDULES:
            raise ValueError(unknown("schedule", name, SCHEDULES))
        return name


class DataSettings(BaseModel):
    """How a data set is prepared. Every key is part of the data set's fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = key_field("image_size", ge=8, le=2048)
    split: tuple[int, int, int] = key_field("split")
    split_seed: int = key_field("split_seed", ge=0, lt=2**31)
    skip_broken: bool = key_field("skip_broken")
    value_range: RangeText = key_field("value_range")

    @field_validator("split")
    @classmethod
    def _shares(cls, split: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(split) < 1 or sum(split) != 100:
            raise ValueError(
                "three percentages of at least 1 that sum to 100 are needed, such as [70, 10, 20]"
            )
        return split
