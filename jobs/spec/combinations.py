"""Settings that cannot be combined, each with the reason and what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from jobs.catalog.augmentations import DEFAULT
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.presets import PRESETS
from jobs.catalog.schedules import SCHEDULES
from jobs.spec.keys import KEYS

if TYPE_CHECKING:
    from jobs.spec.model import Spec
    from jobs.spec.recipe import Recipe


def require_possible(spec: Spec, is_random: Callable[[str], bool]) -> None:
    """Raise `ValueError` for settings that exclude each other.

    `is_random` tells of a backbone whether it begins with random weights.
    """
    _require_used_settings(spec)
    if SCHEDULES[spec.schedule].fixed_length:
        _require_length(spec)
    if (
        spec.early_stop_metric != KEYS["early_stop_metric"].default
        and spec.early_stop is None
        and spec.keep != "best"
    ):
        raise ValueError(
            f"early_stop_metric {spec.early_stop_metric} has no effect without early_stop or keep "
            "best; give one of them, or leave it out"
        )
    random = [name for name in spec.backbones if is_random(name)]
    if spec.finetune == "head":
        _require_plain_features(spec)
        if random:
            why = "finetune head trains only the last layer"
            raise ValueError(_untrained(spec, random, why, "finetune full"))
    by_preset = "freeze_batch_norm" in PRESETS[spec.preset].settings
    if spec.freeze_batch_norm and not by_preset and len(random) == len(spec.backbones):
        why = "freeze_batch_norm keeps batch norms as they are pretrained"
        raise ValueError(_untrained(spec, random, why, "freeze_batch_norm false"))


def require_possible_for(backbone: str, recipes: Iterable[Recipe]) -> None:
    """Raise `ValueError` where what a network has for itself excludes what is set for all."""
    for recipe in recipes:
        try:
            _require_used_settings(recipe)
            if recipe.finetune == "head":
                _require_plain_features(recipe)
        except ValueError as error:
            raise ValueError(f"{backbone}: {error}, or give this network the default") from None


def _require_used_settings(spec: Recipe) -> None:
    """Refuse a setting that the chosen optimiser and schedule do not use."""
    for kind, name, registry in (
        ("optimiser", spec.optimiser, OPTIMISERS),
        ("schedule", spec.schedule, SCHEDULES),
    ):
        known = {key for entry in registry.values() for key in entry.settings.values()}
        for key in sorted(known - set(registry[name].settings.values())):
            if getattr(spec, key) != KEYS[key].default:
                raise ValueError(
                    f"{key} {getattr(spec, key)} has no effect with the {kind} '{name}'; leave it "
                    "out"
                )


def _require_length(spec: Spec) -> None:
    """Refuse a schedule that ends before the last epoch or with its warm-up."""
    horizon = spec.horizon_epochs or spec.epochs
    if horizon < spec.epochs:
        raise ValueError(
            f"horizon_epochs {horizon} is less than the {spec.epochs} epochs of all periods; give "
            f"{spec.epochs} or more, or fewer periods"
        )
    if spec.warmup_epochs >= horizon:
        raise ValueError(
            f"warmup_epochs {spec.warmup_epochs} leaves nothing of the {horizon} epochs of the "
            f"schedule {spec.schedule}; give fewer warmup_epochs, or more epochs"
        )


def _require_plain_features(spec: Recipe) -> None:
    """Refuse what would change features that are computed once, or a body that stays as it is."""
    changed = [
        f"{key} {value}"
        for key, value, off in (
            ("augment", spec.augment, DEFAULT),
            ("mixup", spec.mixup, 0.0),
            ("cutmix", spec.cutmix, 0.0),
        )
        if value != off
    ]
    if changed:
        raise ValueError(
            f"{changed[0]} cannot be used with finetune head, which computes the features of each "
            "image once; leave one of them out"
        )
    if spec.freeze_batch_norm:
        raise ValueError(
            "freeze_batch_norm has no effect with finetune head, which changes only the last "
            "layer; leave it out, or set it to false where a preset sets it"
        )
    if spec.head_learning_rate is not None:
        raise ValueError(
            "head_learning_rate has no effect with finetune head, which trains only the last "
            "layer; give learning_rate, and head_learning_rate none where a preset sets it"
        )


def _untrained(spec: Spec, random: Sequence[str], why: str, otherwise: str) -> str:
    """Why networks that begin with random values cannot be used, and what to change."""
    remedy = "leave it out of backbones" if spec.weights != "none" else "give weights imagenet"
    return f"{why}, but {random[0]} begins with random weights; {remedy}, or give {otherwise}"
