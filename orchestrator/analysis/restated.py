"""What a run has published, as if some of the test images were not there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.analysis.load import StoredResults
from orchestrator.analysis.metrics import METRICS
from orchestrator.analysis.predictions import Predictions

if TYPE_CHECKING:
    import pyarrow as pa


def without_images(
    stored: StoredResults, predictions: Predictions, images: Collection[str]
) -> StoredResults:
    """The results without these test images; evaluations are counted again from predictions.

    Only evaluations of `predictions` stay, and none on corrupted images.
    """
    import pyarrow as pa

    left_out = pa.array(sorted(images), pa.string())
    kept = np.array([name not in images for name in predictions.images], bool)
    rows = [
        row
        for (trial, epoch), one in predictions.answers.items()
        if (row := _evaluation(predictions, trial, epoch, kept & (one.predicted >= 0)))
    ]
    return replace(
        stored,
        evaluations=pa.Table.from_pylist(rows),
        predictions=tuple(_without(table, left_out) for table in stored.predictions),
        validation_predictions=(),
    )


def _evaluation(
    predictions: Predictions, trial: str, epoch: int, places: np.ndarray[Any, Any]
) -> dict[str, Any] | None:
    """A row of `evaluations` for these images; None without any."""
    if not places.any():
        return None
    answers = predictions.together([predictions.answers[trial, epoch]], places)
    loss = METRICS["loss"].of(answers)
    return {
        "trial": trial,
        "epoch": epoch,
        "corruption": "none",
        "severity": 0,
        "loss": float("nan") if loss is None else loss,
        "correct": int((answers.predicted == answers.labels).sum()),
        "total": int(places.sum()),
    }


def _without(table: pa.Table, images: pa.Array) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.invert(pc.is_in(table["image"].cast(pa.string()), images)))
