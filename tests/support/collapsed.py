"""Trials of a filled store that learned nothing: one answer to nearly all images."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store


def collapse(
    store: Store,
    run: Run,
    backbone: str,
    *,
    answer: str,
    share: float = 1.0,
    seeds: Collection[int] = (),
    confidence: float = 0.05,
) -> None:
    """Overwrite all tests of a backbone (of these seeds, or all): `share` get this answer.

    The other images get the other classes in turn, whatever they show.
    """
    for name in run.trials:
        trial = store.load_trial(name)
        if trial.backbone != backbone or (seeds and trial.seed not in seeds):
            continue
        folder = store.root / tables.table_folder("predictions", name)
        for path in sorted(folder.glob("*.parquet")):
            correct, total = _overwrite(path, answer, share, confidence)
            tested = store.root / tables.table_folder("evaluations", name) / path.name
            rows = [
                row | {"correct": correct, "total": total, "accuracy": correct / total, "loss": 3.0}
                for row in tables.read_files([tested])
            ]
            tables.write_table(tested, tables.build_table("evaluations", rows))


def _overwrite(path: object, answer: str, share: float, confidence: float) -> tuple[int, int]:
    """New predictions in place; correct ones and all."""
    rows = tables.read_files([path])  # type: ignore[list-item]
    classes = sorted({row["label"] for row in rows})
    others = [name for name in classes if name != answer]
    order = np.random.default_rng(0).permutation(len(rows))
    for place, row in enumerate(rows):
        constant = order[place] < round(share * len(rows))
        row["predicted"] = answer if constant else others[place % len(others)]
        row["confidence"] = confidence
        row["label_rank"] = int(row["predicted"] != row["label"])
    tables.write_table(path, tables.build_table("predictions", rows))  # type: ignore[arg-type]
    return sum(row["predicted"] == row["label"] for row in rows), len(rows)
