"""Predictions for new images as CSV, for spreadsheets and data frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import atomic
from jobs.errors import RequestError

if TYPE_CHECKING:
    from models.evaluation.predict import ImagePredictions
    from orchestrator.analysis.trained_models import TrainedModels

PLACES = 3
"""How many of the likeliest classes have columns."""


def write(place: Path, chosen: TrainedModels, answered: Sequence[ImagePredictions]) -> None:
    """Write a row for each image and network; `-` is standard output.

    Text that begins like a formula gets an apostrophe. Raises `RequestError` if the file cannot be
    written.
    """
    import pyarrow as pa
    import pyarrow.csv

    from orchestrator.report import spreadsheet_safe

    table = pa.Table.from_pylist(list(rows(chosen, answered)), schema=_schema())
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(spreadsheet_safe.escaped(table), sink)
    contents = bytes(sink.getvalue())
    if str(place) == "-":
        sys.stdout.write(contents.decode())
        return
    try:
        with atomic.atomic_write(place) as draft:
            draft.write_bytes(contents)
    except OSError as error:
        raise RequestError(
            f"cannot write {place}: {error.strerror or error}. Give another file with --csv."
        ) from None


def rows(chosen: TrainedModels, answered: Sequence[ImagePredictions]) -> Iterator[dict[str, Any]]:
    """The rows, by column; images that were not answered have none."""
    for each in answered:
        known = {"label": each.known.label, "split": each.known.split} if each.known else {}
        for answer in each.answers:
            epochs = [task.epoch for task in chosen.trials[answer.backbone]]
            row = {"image": str(each.image), "backbone": answer.backbone, "epoch": max(epochs)}
            for place, likely in enumerate(answer.top, 1):
                row |= {f"class_{place}": likely.label, f"confidence_{place}": likely.confidence}
            yield row | known


def _schema() -> Any:
    import pyarrow as pa

    likely = [
        column
        for place in range(1, PLACES + 1)
        for column in ((f"class_{place}", pa.string()), (f"confidence_{place}", pa.float64()))
    ]
    first = [("image", pa.string()), ("backbone", pa.string()), ("epoch", pa.int64())]
    return pa.schema([*first, *likely, ("label", pa.string()), ("split", pa.string())])
