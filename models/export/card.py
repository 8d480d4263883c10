"""The texts of an exported network: labels, preparation, provenance, and the model card."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from jobs.spec.model import named_by
from jobs.store.datasets import DataSetDescription
from jobs.store.records import TaskResult
from jobs.task import Task, Trial
from jobs.versions import result_versions
from models.data.resize import PADDING, TINY
from models.export.parity import Parity, Quantised
from models.networks.of_trial import normalisation_of

NAMES = {
    "torch": "model.pt",
    "safetensors": "model.safetensors",
    "onnx": "model.onnx",
    "int8": "model-int8.onnx",
}
"""The file of each format."""

LOADING = {
    "torch": """\
import network, prepare, torch
model = network.make().eval()
model.load_state_dict(torch.load("model.pt", weights_only=True))
scores = model(torch.from_numpy(prepare.prepare("cat.jpg")))""",
    "safetensors": """\
import network, prepare, safetensors.torch, torch
model = network.make().eval()
model.load_state_dict(safetensors.torch.load_file("model.safetensors"))
scores = model(torch.from_numpy(prepare.prepare("cat.jpg")))""",
    "onnx": """\
import onnxruntime, prepare
model = onnxruntime.InferenceSession("model.onnx")
images = prepare.prepare("cat.jpg")
(scores,) = model.run(["scores"], {"image": images})""",
}
LOADING["int8"] = LOADING["onnx"].replace(NAMES["onnx"], NAMES["int8"])
"""Four lines for each format, run in the folder."""

CARD = """\
# {backbone}, trained by orch
An image classifier for {classes} classes, from the run `{run}`: trial `{trial}`, epoch {epoch}.

| | |
|---|---|
| test accuracy | {accuracy} |
| data | `{data}` |
| initial weights | {weights}{licence} |
| input | `image`, float32 (n, 3, {size}, {size}), normalised: see `preparation.json` |
| output | `scores`, float32 (n, {classes}), before softmax, in the order of `labels.json` |

## Use
{uses}

The class is `json.load(open("labels.json", encoding="utf-8"))[scores[0].argmax()]`, after
`import json`.

## Compared with torch
{compared}

The scores are computed in float32{int8}{precision}.
Where everything comes from is in `provenance.json`.
"""


class Origin(NamedTuple):
    """What a network is exported from."""

    run: str
    trial: Trial
    training: Task
    result: TaskResult
    evaluation: TaskResult | None
    described: DataSetDescription


def preparation(trial: Trial, described: DataSetDescription, result: TaskResult | None) -> str:
    """How an image file becomes the input, as JSON."""
    how, shown = described.settings, normalisation_of(trial)
    exact = how.image_size / how.crop
    side = round(exact) if how.resize == "squash" else max(1, math.floor(exact + TINY))
    return _json(
        {
            "input": "image",
            "output": "scores",
            "dtype": "float32",
            "channels": "RGB",
            "normalised": True,
            "image_size": how.image_size,
            "resize": how.resize,
            "resized_side": side,
            "interpolation": how.interpolation,
            "padding": list(PADDING),
            "divided_by": 255,
            "mean": list(shown.mean),
            "deviation": list(shown.deviation),
            "value_range": None if result is None else result.value_range,
        }
    )


def provenance(origin: Origin, compared: Mapping[str, Parity]) -> str:
    """Where the network comes from and how exactly its files answer, as JSON."""
    trial, result = origin.trial, origin.result
    checkpoint = str(result.checkpoint)
    evaluation = origin.evaluation
    return _json(
        {
            "run": origin.run,
            "trial": trial.name,
            "backbone": trial.backbone,
            "seed": trial.seed,
            "epoch": origin.training.epoch if result.epoch is None else result.epoch,
            "initial_weights": trial.weights,
            "weights_licence": result.weights_licence,
            "recipe": named_by(trial.recipe),
            "precision": result.precision,
            "data": {"name": trial.data, "source": origin.described.origin},
            "test": None
            if evaluation is None
            else {
                key: getattr(evaluation, key) for key in ("accuracy", "loss", "correct", "total")
            },
            "checkpoint": checkpoint,
            "weights_digest": result.weights_digest,
            "trained_with": result.versions,
            "exported_with": result_versions(),
            "compared_with_torch": {
                name: {
                    "test_images": each.images,
                    "max_score_difference": each.max_score_difference,
                    "other_answers": [
                        {key: getattr(other, key) for key in other.__slots__}
                        for other in each.others
                    ],
                }
                | ({} if each.quantised is None else {"quantised": asdict(each.quantised)})
                for name, each in compared.items()
            },
        }
    )


def card(origin: Origin, formats: Sequence[str], compared: Mapping[str, Parity]) -> str:
    """The model card."""
    evaluation, trial = origin.evaluation, origin.trial
    epoch = origin.training.epoch if origin.result.epoch is None else origin.result.epoch
    own = trial.network is not None and trial.network.weights is not None
    half = origin.result.precision == "bf16"
    return CARD.format(
        backbone=trial.backbone,
        run=origin.run,
        trial=trial.name,
        epoch=epoch,
        classes=len(origin.described.classes),
        size=origin.described.settings.image_size,
        data=trial.data,
        accuracy="unknown"
        if evaluation is None or evaluation.accuracy is None
        else f"{evaluation.accuracy:.1%} of {evaluation.total} images",
        weights="a file of one's own"
        if own
        else {"none": "random"}.get(trial.weights, trial.weights),
        licence=""
        if trial.weights == "none"
        else f", licence: {origin.result.weights_licence or 'unknown, see their source'}",
        uses="\n\n".join(
            f"`{NAMES[each]}`:\n\n```python\n{LOADING[each]}\n```" for each in formats
        ),
        compared="\n".join(f"- `{NAMES[name]}`: {told(each)}" for name, each in compared.items()),
        int8=f", but with 8-bit numbers in `{NAMES['int8']}`" if "int8" in formats else "",
        precision="; the training's evaluation used bfloat16" if half else "",
    )


def told(parity: Parity) -> str:
    """Sentences about the answers of a file."""
    if parity.quantised is not None:
        return _told_quantised(parity, parity.quantised)
    same = parity.images - len(parity.others)
    margins = max((other.margin for other in parity.others), default=0.0)
    more = f"; the others had margins of at most {margins:.2g}" if parity.others else ""
    return (
        f"{same:,} of {parity.images:,} test images get torch's answer{more}. Scores differ by "
        f"at most {parity.max_score_difference:.2g}."
    )


def _told_quantised(parity: Parity, made: Quantised) -> str:
    fast = "" if made.weight_bits == 8 else ", as the exporting processor has no VNNI"
    return (
        f"{len(parity.others):,} of {parity.images:,} test images get another answer than torch's "
        f"in float32. Accuracy is {made.correct / parity.images:.1%}, and "
        f"{made.float32_correct / parity.images:.1%} in float32. Weights have {made.weight_bits} "
        f"bits{fast}; ranges come from {made.calibration_images} training images."
    )


def labels(described: DataSetDescription) -> str:
    """The classes in the order of the scores, as JSON."""
    return _json(list(described.classes))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
