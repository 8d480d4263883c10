"""The answers of a trial's tested network to the validation images, published at a target epoch.

They are those of the validation after the tested epoch, so they cost no pass of their own. A
checkpoint keeps them, because a later attempt may end the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.store import tables
from models.training.state import TrainingState

TABLE = "validation_predictions"


def write(training: TrainingState, folder: Path) -> dict[str, str]:
    """Write a row for each validation image: the name of the file, and its place in the store.

    Empty where a checkpoint of an earlier version does not tell the answers.
    """
    answers, data = training.answers, training.data
    if answers is None:
        return {}
    images, task = data.splits["validation"], training.task
    columns = {name: value.numpy() for name, value in answers.items()}
    constant = {
        "backbone": training.trial.backbone,
        "seed": training.trial.seed,
        "period": training.request.period,
        "epoch": training.epoch,
    }
    arrays: dict[str, Any] = {
        **{name: pa.repeat(value, len(images)) for name, value in constant.items()},
        "image": pa.array([data.paths[index] for index in images], pa.string()),
        "label": _named(data.labels[images], data.classes),
        "predicted": _named(columns["predicted"], data.classes),
        "confidence": columns["confidence"],
        "label_confidence": columns["label_confidence"],
        "label_rank": columns["label_rank"].astype(np.int32),
        "recipe": _named(np.zeros(len(images), np.int64), [training.trial.recipe_text]),
    }
    schema = tables.SCHEMAS[TABLE]
    table = pa.table([pa.array(arrays[name]) for name in schema.names], schema.names).cast(schema)
    name = f"{TABLE}.parquet"
    tables.write_table(folder / name, table)
    return {name: f"{tables.table_folder(TABLE, task.subject)}/e{task.epoch:04d}.parquet"}


def _named(codes: np.ndarray[Any, Any], names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(list(names)))
