"""A request to rank networks: a specification that trains none of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.catalog.backbones import CATALOG
from jobs.errors import BadSpec, MissingWeights
from jobs.spec import model, spelling
from jobs.spec.keys.data import DATA_KEYS
from jobs.spec.model import Spec
from jobs.spec.networks import PREPARATION_KEYS, RECIPE_KEYS, Network
from orchestrator.submission import begin

PROBE = "probe"
RANDOM = re.compile(r"(, or|\. Or) use random weights with --weights none")
KEYS = (
    "data",
    "backbones",
    "name",
    "weights",
    "precision",
    "deterministic",
    "requires",
    *PREPARATION_KEYS,
    *DATA_KEYS,
)
"""The keys of a specification that a ranking uses; it leaves out the others of a file."""


def rank_spec(keys: Mapping[str, Any], file: str | Path | None = None) -> Spec:
    """The specification of a ranking, from keys and the file that they override.

    Both may hold keys that only a training uses; the file's name is that of its training.
    Without `backbones`, or with `all`, they are those of the catalog that have pretrained weights,
    without `twins`.
    Raises `BadSpec`, also for unknown keys and for networks that begin with random weights.
    """
    known = spelling.normalised(begin.values_of(file, {"name": None} | dict(keys)))
    used = {key: value for key, value in known.items() if key in KEYS and not _varies(key, value)}
    if used.get("backbones", "all") == "all":
        used["backbones"] = _whole_catalog()
    asked = model.build(used)
    _require_weights(asked)
    probe = model.build(used | {"preset": PROBE})
    networks = {name: _without_recipe(one) for name, one in probe.networks.items()}
    fixed = {"periods": 1, "epochs_per_period": 1, "networks": networks, "rank": True}
    return probe.model_copy(update=fixed)


def twins() -> dict[str, str]:
    """Networks of the catalog with the frozen features of an earlier one, which is their value.

    They have its body and its weights file. They differ in the last layer, which no ranking uses.
    """
    pretrained = [(name, one.weights_file) for name, one in CATALOG.items() if one.has_pretrained]
    first: dict[str | None, str] = {}
    earlier = {name: first.setdefault(file, name) for name, file in pretrained}
    return {name: other for name, other in earlier.items() if name != other}


def left_out(spec: Spec) -> list[str]:
    """Lines on the twins that a ranking of the whole catalog leaves out; none for another one."""
    if list(spec.backbones) != _whole_catalog():
        return []
    return [
        f"{name} is not ranked: its frozen features are those of {other}, which differs only in "
        f"the last layer. Rank it all the same with: --backbone {name}"
        for name, other in twins().items()
    ]


def _whole_catalog() -> list[str]:
    same = twins()
    return [name for name, one in CATALOG.items() if one.has_pretrained and name not in same]


@contextlib.contextmanager
def no_random_weights() -> Iterator[None]:
    """Missing weights are told without the advice to use random ones, which a ranking refuses."""
    try:
        yield
    except MissingWeights as error:
        raise MissingWeights(RANDOM.sub("", str(error))) from None


def _varies(key: str, value: Any) -> bool:
    """Whether a key of the recipe has several values, which matter to trainings only."""
    return key in ("precision", "deterministic") and isinstance(value, (list, tuple))


def _without_recipe(network: Network) -> Network:
    return network.model_copy(update={**dict.fromkeys(RECIPE_KEYS), "grid": {}})


def _require_weights(spec: Spec) -> None:
    """Raise `BadSpec` for networks with random weights; an own function may load some."""
    untrained = [name for name in spec.backbones if spec.is_random(name)]
    if not untrained:
        return
    if spec.weights == "none":
        raise BadSpec(
            f"weights none: the features of random weights foretell nothing, so there is nothing "
            f"to rank. Give --weights imagenet (the default but for {_built_in()})."
        )
    raise BadSpec(
        f"{', '.join(untrained)}: there are no pretrained weights, and the features of random "
        "weights foretell nothing. Leave it out, or give a weights file in 'backbones'."
    )


def _built_in() -> str:
    from jobs.catalog.built_in_data import BUILT_IN_DATA

    names = [name for name, one in BUILT_IN_DATA.items() if one.weights == "none"]
    return ", ".join(names)


def training_words(spec: Spec, backbones: list[str]) -> list[str] | None:
    """The words after `orch` that train these networks on the same images: only their last layers.

    That uses the features of the ranking, so it takes seconds where other presets take hours.
    None where options cannot say it: a network has facts of its own in a specification file.
    """
    own = {name: spec.networks.get(name, Network()) for name in backbones}
    if any(one.weights or one.requires for one in own.values()):
        return None
    words = ["submit", "--preset", PROBE]
    words += [word for name in backbones for word in ("--backbone", name)]
    fields = type(spec).model_fields
    for key in KEYS:
        value, default = getattr(spec, key), fields[key].default
        if key in ("name", "backbones", "weights", "split", "split_seed") or value == default:
            continue
        option = f"--{key.replace('_', '-')}"
        words += [option] if value is True else [option, _written(value)]
    if spec.data == fields["data"].default or spec.weights != fields["weights"].default:
        words += ["--weights", spec.weights]
    split = any(getattr(spec, key) != fields[key].default for key in ("split", "split_seed"))
    return None if split else [*words, "--wait"]


def _written(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value)
