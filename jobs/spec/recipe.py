"""The parts of a specification that own keys: how trials are trained, how data is prepared."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from jobs.catalog import metrics
from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.schedules import SCHEDULES
from jobs.catalog.suggest import unknown
from jobs.spec import range_text
from jobs.spec.class_weights import ClassWeights
from jobs.spec.keys import KEYS, Finetune, Keep, Precision
from jobs.spec.networks import Interpolation, Resize, Share, Size

NUMBERS = tuple(name for name, key in KEYS.items() if key.kind in (int, float))
RangeText = Annotated[str, BeforeValidator(range_text.parse)]
LeadingMetric = Annotated[str, AfterValidator(lambda name: metrics.chosen(name).option)]
StoppingMetric = Annotated[str, AfterValidator(metrics.stopping_choice)]


def key_field(name: str, **limits: Any) -> Any:
    """The field of a key of `keys.KEYS`, with its default and description."""
    return Field(default=KEYS[name].default, description=KEYS[name].meaning, **limits)


class Recipe(BaseModel):
    """How a trial is trained, by default as in the study. Every key can change the results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = key_field("batch_size", ge=1, le=65536)
    learning_rate: float = key_field("learning_rate", gt=0, allow_inf_nan=False)
    momentum: float = key_field("momentum", ge=0, lt=1)
    optimiser: str = key_field("optimiser")
    weight_decay: float = key_field("weight_decay", ge=0, le=100)
    clip_norm: float | None = key_field("clip_norm", gt=0, allow_inf_nan=False)
    label_smoothing: float = key_field("label_smoothing", ge=0, lt=1)
    class_weights: ClassWeights = key_field("class_weights")
    ema: float | None = key_field("ema", gt=0, lt=1)
    keep: Keep = key_field("keep")
    schedule: str = key_field("schedule")
    warmup_epochs: int = key_field("warmup_epochs", ge=0, le=100_000)
    horizon_epochs: int | None = key_field("horizon_epochs", ge=1, le=9_999_999)
    plateau_patience: int = key_field("plateau_patience", ge=0, le=1_000_000)
    plateau_factor: float = key_field("plateau_factor", gt=0, lt=1)
    precision: Precision = key_field("precision")
    deterministic: bool = key_field("deterministic")
    augment: str = key_field("augment")
    mixup: float = key_field("mixup", ge=0, le=100)
    cutmix: float = key_field("cutmix", ge=0, le=100)
    finetune: Finetune = key_field("finetune")
    freeze_batch_norm: bool = key_field("freeze_batch_norm")
    head_learning_rate: float | None = key_field("head_learning_rate", gt=0, allow_inf_nan=False)
    early_stop: int | None = key_field("early_stop", ge=1, le=1_000_000)
    early_stop_metric: StoppingMetric = key_field("early_stop_metric")

    @field_validator(*NUMBERS, mode="before", check_fields=False)
    @classmethod
    def _no_truths(cls, value: Any) -> Any:
        """Reject booleans, which Python would accept as numbers."""
        if any(
            isinstance(each, bool)
            for each in (value if isinstance(value, (list, tuple)) else [value])
        ):
            raise ValueError("a number is needed, not true or false")
        return value

    @field_validator(
        "early_stop", "head_learning_rate", "clip_norm", "horizon_epochs", "ema", mode="before"
    )
    @classmethod
    def _or_none(cls, value: Any) -> Any:
        """Accept the word `none`, as other keys do."""
        return None if value == "none" else value

    @field_validator("augment")
    @classmethod
    def _known_augmentation(cls, name: str) -> str:
        if name not in AUGMENTATIONS:
            raise ValueError(f"one of {', '.join(AUGMENTATIONS)} is needed")
        return name

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


class SplitSettings(BaseModel):
    """How the images of a folder are chosen and split, the same for every network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

    @model_serializer(mode="wrap")
    def _in_order(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys in the order of the documentation, wherever they are declared."""
        values: dict[str, Any] = dump(self)
        order = {key: values[key] for key in KEYS if key in values}
        return order | values


class DataSettings(SplitSettings):
    """How a data set is prepared. Every key is part of the data set's fingerprint.

    Images that are equal at the study's preparation of `split_size` pixels stay in one split, so
    that all preparations of a run have the same split; None: those equal in this preparation.
    With `test_only` there is no split: all images are for testing networks trained on others.
    """

    image_size: Size = KEYS["image_size"].default
    resize: Resize = "squash"
    interpolation: Interpolation = "bilinear"
    crop: Share = 0.875
    split_size: Size | None = None
    margin: bool = False
    test_only: bool = False
