"""Predictions as a CSV file: a row for each image and network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.errors import RequestError

if TYPE_CHECKING:
    from models.evaluation.predict import ImagePredictions

STDOUT = "-"


def require_possible(target: str | None, as_json: bool) -> None:
    """Raise `RequestError` for a file that cannot be written, before anything is predicted."""
    if target is None:
        return
    if as_json:
        raise RequestError("--csv and --json: give one of them.")
    path = Path(target)
    if target != STDOUT and (path.is_dir() or not path.parent.is_dir()):
        raise RequestError(f"--csv {target}: this is no file in a folder that exists.")


def write(target: str | None, answered: Sequence[ImagePredictions]) -> bool:
    """Write the predictions to a file, or to stdout for `-`; false where no file is asked for.

    Images without predictions are left out. Text that a spreadsheet would run as a formula gets an
    apostrophe.
    """
    if target is None:
        return False
    import pyarrow as pa
    import pyarrow.csv

    from orchestrator.report import spreadsheet_safe

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(spreadsheet_safe.escaped(_table(answered)), sink)
    text = bytes(sink.getvalue())
    if target == STDOUT:
        click.echo(text, nl=False)
        return True
    try:
        Path(target).write_bytes(text)
    except OSError as error:
        raise RequestError(f"--csv {target}: {error.strerror or error}.") from None
    return True


def _table(answered: Sequence[ImagePredictions]) -> Any:
    """A table of pyarrow; `label_2` and so on are the next best."""
    import pyarrow as pa

    rows = [(each.image, answer) for each in answered for answer in each.answers]
    most = max((len(answer.top) for _, answer in rows), default=1)
    columns: dict[str, Any] = {
        "image": pa.array([str(image) for image, _ in rows], pa.string()),
        "backbone": pa.array([answer.backbone for _, answer in rows], pa.string()),
    }
    for place in range(most):
        suffix = f"_{place + 1}" if place else ""
        tops = [a.top[place] if place < len(a.top) else None for _, a in rows]
        labels = [None if top is None else top.label for top in tops]
        shares = [None if top is None else top.confidence for top in tops]
        columns[f"label{suffix}"] = pa.array(labels, pa.string())
        columns[f"confidence{suffix}"] = pa.array(shares, pa.float64())
    return pa.table(columns)
