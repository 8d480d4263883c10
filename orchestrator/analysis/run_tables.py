"""The tables of docs/results.md for one run, with columns that tell its trials apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.catalog.suggest import unknown
from jobs.errors import RequestError
from jobs.store import splits
from orchestrator.analysis.setting_column import with_setting

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.store.runs import Run
    from jobs.store.store import Store

MISTAKES = "mistakes"
"""The wrongly predicted test images of all networks, seeds, splits and periods."""


def read(store: Store, run: Run, table: str) -> pa.Table:
    """The rows of a run's trials, without epochs and attempts of other runs.

    In a grid with the column `setting`, such as `learning_rate 0.003`; with several splits with
    `split_seed`. Raises `RequestError` for an unknown table.
    """
    import pyarrow.compute as pc

    from jobs.store import tables

    if table == MISTAKES:
        answers = read(store, run, "predictions")
        return answers.filter(pc.field("label_rank") > 0).drop_columns(["label_rank"])
    if table not in tables.SCHEMAS:
        raise RequestError(f"{unknown('table', table, (*tables.SCHEMAS, MISTAKES))}.")
    if table == "attempts":
        rows = tables.read_rows(store.root, table, [tables.DATA_SETS, *run.trials])
        rows = rows.filter(pc.field("task").isin(list(run.tasks)))
    else:
        rows = tables.read_rows(store.root, table, run.trials)
        rows = rows.filter(pc.field("epoch") <= run.spec.epochs)
    return _with_split(store, run, with_setting(store, run, rows))


def _with_split(store: Store, run: Run, rows: pa.Table) -> pa.Table:
    if run.spec.splits == 1:
        return rows
    import pyarrow as pa

    of_trial = splits.by_trial(store, run)
    seeds = [of_trial.get(name) for name in rows["trial"].to_pylist()]
    return rows.append_column("split_seed", pa.array(seeds, pa.int64()))
