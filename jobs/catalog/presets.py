"""The registry of presets: settings of a recipe under one name; other keys override them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """One preset: the keys of a specification that it sets."""

    name: str
    help: str
    settings: Mapping[str, Any] = MappingProxyType({})


MODERN = {
    "optimiser": "adamw",
    "learning_rate": 0.0001,
    "head_learning_rate": 0.003,
    "freeze_batch_norm": True,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "augment": "random-resized-crop-35",
    "label_smoothing": 0.1,
}
PRESETS: dict[str, Preset] = {
    entry.name: entry
    for entry in (
        Preset("study", "the recipe of the study: SGD, reduced on a plateau"),
        Preset("modern", "AdamW, cosine, warm-up, random crops, label smoothing", MODERN),
        Preset(
            "probe",
            "train only the last layer, on features that are computed once",
            {"finetune": "head", "optimiser": "adamw"},
        ),
        Preset(
            "quick",
            "a first look: one period of three epochs with AdamW",
            {
                "periods": 1,
                "epochs_per_period": 3,
                "optimiser": "adamw",
                "learning_rate": 0.0003,
                "schedule": "cosine",
            },
        ),
    )
}

DEFAULT = "study"
