"""How torch's float32 answers in a benchmark differ from those of the trial's own evaluation."""

from __future__ import annotations

from typing import Any

from jobs.store import tables
from jobs.store.store import Store
from jobs.task import Task
from models.bench.compare import Compared

COLUMNS = ("epoch", "image", "label", "predicted")


def facts(store: Store, training: Task, epoch: int, compared: Compared) -> dict[str, Any]:
    """The precision of the evaluation after `epoch`, its images right, and its equal answers.

    Empty where the evaluation published no prediction for every test image.
    """
    rows = tables.read_rows(store.root, "predictions", [training.subject], COLUMNS).to_pylist()
    evaluated = {row["image"]: row for row in rows if row["epoch"] == epoch}
    data = compared.data
    images = [data.paths[place] for place in data.splits["test"]]
    if not evaluated.keys() >= {*images}:
        return {}
    answers = [evaluated[image] for image in images]
    of_float32 = [data.classes[code] for code in compared.float32]
    trained = store.done(training)
    return {
        "evaluation_precision": None if trained is None else trained.precision,
        "evaluation_correct": sum(row["predicted"] == row["label"] for row in answers),
        "evaluation_same_answers": sum(
            row["predicted"] == name for row, name in zip(answers, of_float32, strict=True)
        ),
    }
