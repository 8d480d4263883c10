"""The rows of a run in a table of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import RequestError
from jobs.store.runs import Run
from jobs.store.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


def of_run(store: Store, run: Run, table: str) -> pa.Table:
    """The rows of the run's trials, without epochs and attempts of other runs.

    In a grid the column `setting` tells the trials of a network apart. Raises `RequestError` for a
    table that there is not.
    """
    import pyarrow.compute as pc

    from jobs.catalog.suggest import unknown
    from jobs.store import tables

    if table not in tables.SCHEMAS:
        raise RequestError(f"{unknown('table', table, tables.SCHEMAS)}.")
    if table == "attempts":
        rows = tables.read_rows(store.root, table, [tables.DATA_SETS, *run.trials])
        return _with_setting(store, run, rows.filter(pc.field("task").isin(list(run.tasks))))
    rows = tables.read_rows(store.root, table, run.trials)
    return _with_setting(store, run, rows.filter(pc.field("epoch") <= run.spec.epochs))


def _with_setting(store: Store, run: Run, rows: pa.Table) -> pa.Table:
    """The rows of a grid with the column `setting`, such as `learning_rate 0.003`."""
    if not run.spec.varies:
        return rows
    import pyarrow as pa

    from jobs import plan
    from jobs.spec.setting import told

    trials = {name: store.load_trial(name) for name in run.trials}
    of_trial = {name: told(plan.setting_of(run.spec, trial)) for name, trial in trials.items()}
    settings = [of_trial.get(name) for name in rows["trial"].to_pylist()]
    return rows.append_column("setting", pa.array(settings, pa.string()))
