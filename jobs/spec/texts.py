"""Texts on the keys of a specification, with the names that the registries hold."""

from __future__ import annotations

from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.catalog.backbones import CATALOG
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.catalog.corruptions import CORRUPTIONS
from jobs.catalog.metrics import options, stopping_options
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.presets import PRESETS
from jobs.catalog.schedules import SCHEDULES
from jobs.spec.keys import BUILT_IN_KEYS, KEYS
from jobs.spec.setting import value_told
from jobs.spec.tuning import FACTORS

SMALL_SIZE = 32
"""Backbones that need no larger images than this are not named in the documentation."""


def placeholders() -> dict[str, str]:
    """What texts may name in braces, from the registries."""
    names = {
        "augmentations": list(AUGMENTATIONS),
        "built_in": list(BUILT_IN_DATA),
        "corruptions": list(CORRUPTIONS),
        "metrics": list(options()),
        "optimisers": list(OPTIMISERS),
        "presets": list(PRESETS),
        "schedules": list(SCHEDULES),
        "stopping_metrics": list(stopping_options()),
    }
    untrained = [entry.title for entry in CATALOG.values() if not entry.has_pretrained]
    momentum = [e.title for e in OPTIMISERS.values() if "momentum" in e.settings.values()]
    return {
        **{key: ", ".join(values) for key, values in names.items()},
        **{f"{key}_code": ", ".join(f"`{v}`" for v in values) for key, values in names.items()},
        "built_in": "|".join(BUILT_IN_DATA),
        "built_in_quoted": " or ".join(f"'{name}'" for name in BUILT_IN_DATA),
        "built_in_sizes": _built_in_defaults("image_size"),
        "built_in_weights": _built_in_defaults("weights"),
        "preset_meanings": " ".join(f"`{each.name}`: {each.help}." for each in PRESETS.values()),
        "untrained": " or ".join(untrained),
        "with_momentum": " or ".join(momentum),
        "smallest_sizes": _smallest_sizes(),
        "augmentation_meanings": " ".join(
            f"`{entry.name}`: {entry.help}." for entry in AUGMENTATIONS.values()
        ),
        "ladder": ", ".join(map(value_told, sorted(FACTORS))),
        "optimiser_titles": " or ".join(entry.title for entry in OPTIMISERS.values()),
    }


def text(template: str) -> str:
    """A text of a key with its placeholders filled."""
    return template.format_map(placeholders())


def default_shown(name: str) -> str:
    """The default as a help text shows it: `224; 64 for digits`."""
    key = KEYS[name]
    if key.default_shown is not None:
        return key.default_shown
    if key.kind is bool:
        return ("" if key.default else "no-") + name.replace("_", "-")
    shown = "none" if key.default is None else str(key.default)
    own = [
        f"{getattr(entry, name)} for {entry.name}"
        for entry in BUILT_IN_DATA.values()
        if getattr(entry, name, key.default) != key.default and name in BUILT_IN_KEYS
    ]
    return "; ".join([shown, *own])


def _built_in_defaults(key: str) -> str:
    """Sentences on the defaults that built-in data sets change: ` With `digits` ...`."""
    return "".join(
        f" With `{entry.name}` the default is `{getattr(entry, key)}`."
        for entry in BUILT_IN_DATA.values()
        if getattr(entry, key) != KEYS[key].default
    )


def _smallest_sizes() -> str:
    """`AlexNet needs at least 63, Finetuned SqueezeNet 53, the others 32 or less`."""
    entries = sorted(CATALOG.values(), key=lambda entry: -entry.min_image_size)
    large = [entry for entry in entries if entry.min_image_size > SMALL_SIZE]
    needs = [f"{entry.title} {entry.min_image_size}" for entry in large]
    if needs:
        needs[0] = f"{large[0].title} needs at least {large[0].min_image_size}"
    return ", ".join([*needs, f"the others {SMALL_SIZE} or less"])
