"""The table of the recipe, for the page and for Markdown."""

from __future__ import annotations

from jobs.catalog.augmentations import AUGMENTATIONS
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.schedules import SCHEDULES
from jobs.spec import class_weights
from jobs.spec.grid import product
from jobs.spec.model import Spec
from jobs.spec.networks import RECIPE_KEYS
from jobs.spec.setting import in_order, value_told
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import Table
from orchestrator.report.sections import preparation, stopping


def recipe(run_data: RunData) -> Table:
    """The recipe, from the specification; in a grid with all values of each row."""
    spec, told = run_data.run.spec, dict[str, list[str]]()
    settings = list(product(spec.grid))
    for setting in settings:
        for label, value in _recipe(run_data, spec.fixed(None, setting)):
            told.setdefault(label, []).append(value)
    rows = [
        (
            label,
            "; or ".join(dict.fromkeys(values))
            + ("" if len(values) == len(settings) else " (in some settings)"),
        )
        for label, values in told.items()
    ]
    whole = (*_compared(run_data), *rows)
    return Table(("Setting", "Value"), whole, name="recipe", title="Recipe", style="pairs")


def _compared(run_data: RunData) -> list[tuple[str, str]]:
    """The lists of values of a grid."""
    lists = run_data.run.spec.grid
    told = "; ".join(f"{key} {', '.join(map(value_told, lists[key]))}" for key in in_order(lists))
    return [("Compared", f"{told}: {run_data.compared}")] if lists else []


def _recipe(run_data: RunData, spec: Spec) -> list[tuple[str, str]]:
    """The recipe of one setting."""
    return [
        (
            "Epochs",
            f"{spec.epochs}, in {wording.count(spec.periods, 'period')} of "
            f"{spec.epochs_per_period}; an evaluation after each period",
        ),
        ("Loss", _loss(spec)),
        ("Optimiser", OPTIMISERS[spec.optimiser].describe(spec)),
        *_apart(spec),
        *_clipped(spec),
        *_tested(spec),
        ("Learning rate", SCHEDULES[spec.schedule].describe(spec.recipe())),
        ("Early stopping", stopping.told(spec)),
        ("Batch", wording.count(spec.batch_size, "image")),
        ("Image size", _image_size(run_data)),
        ("Augmentation", _augmentation(spec)),
        *_finetuning(spec),
        ("Corruptions", ", ".join(spec.corruptions) or "none"),
        (
            "Requested weights",
            "ImageNet, if available" if spec.weights == "imagenet" else "none (random)",
        ),
        ("Requested precision", spec.precision + (", deterministic" if spec.deterministic else "")),
        ("Seeds", wording.count(spec.seeds, "seed")),
        *([("Splits", wording.count(spec.splits, "split"))] if spec.splits > 1 else []),
    ]


def _image_size(run_data: RunData) -> str:
    """How images are prepared, where that is the same for all networks."""
    spec = run_data.run.spec
    told = {preparation.told(spec, name) for name in spec.backbones}
    sizes = {spec.preparation_of(name).image_size for name in spec.backbones}
    if len(told) == 1:
        return told.pop()
    same = f"{max(sizes)} x {max(sizes)} pixels, else " if len(sizes) == 1 else ""
    return f"{same}as each network's weights ask for, see Networks"


def _augmentation(spec: Spec) -> str:
    """How training images are changed."""
    mixed = [f"{key} {getattr(spec, key):g}" for key in ("mixup", "cutmix") if getattr(spec, key)]
    return ", ".join([AUGMENTATIONS[spec.augment].told, *mixed])


def _apart(spec: Spec) -> list[tuple[str, str]]:
    """What networks have for themselves, such as learning rates."""
    rows = []
    for key in RECIPE_KEYS:
        label = {"batch_size": "Batch"}.get(key, key.replace("_", " ").capitalize())
        own = {
            name: one.grid.get(key, [getattr(one, key)])
            for name, one in spec.networks.items()
            if key in one.given
        }
        if own:
            told = ", ".join(
                f"{wording.title(name)} {' or '.join(map(value_told, values))}"
                for name, values in own.items()
            )
            rows.append((f"{label}, where a network has its own", told))
    return rows


def _loss(spec: Spec) -> str:
    """The loss of training."""
    smoothed = f", label smoothing {spec.label_smoothing:g}" if spec.label_smoothing else ""
    weighted = spec.class_weights != "none"
    weights = f", class weights {class_weights.told(spec.class_weights)}" if weighted else ""
    return f"cross entropy{smoothed}{weights}"


def _clipped(spec: Spec) -> list[tuple[str, str]]:
    """The largest norm of gradients, where there is one."""
    if spec.clip_norm is None:
        return []
    return [("Gradients", f"scaled down to a norm of {spec.clip_norm:g} where it is larger")]


def _tested(spec: Spec) -> list[tuple[str, str]]:
    """Which network is tested, where it is not that of the last step."""
    average = f"its average over steps (decay {spec.ema:g})" if spec.ema else ""
    best = f"the epoch with the {stopping.best(spec)} so far" if spec.keep == "best" else ""
    told = ", of ".join(each for each in (average, best) if each)
    return [("Tested network", told)] if told else []


def _finetuning(spec: Spec) -> list[tuple[str, str]]:
    """What is not trained, or with another learning rate; no row where all is trained alike."""
    told = []
    if spec.finetune == "head":
        told.append("only the last layer, on features that are computed once")
    if spec.freeze_batch_norm:
        told.append("batch norms of pretrained networks stay as they are")
    if spec.head_learning_rate is not None:
        told.append(f"the last layer has learning rate {spec.head_learning_rate:g}")
    return [("Fine-tuning", "; ".join(told))] if told else []
