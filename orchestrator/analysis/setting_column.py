"""The column `setting` of a table of a grid's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.store.runs import Run
from jobs.store.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


def with_setting(store: Store, run: Run, rows: pa.Table) -> pa.Table:
    """The rows of a grid with the column `setting`, such as `learning_rate 0.003`."""
    if not run.spec.varies:
        return rows
    import pyarrow as pa

    from jobs import plan
    from jobs.spec.setting import told

    trials = {name: store.load_trial(name) for name in run.trials}
    of_trial = {n: told(plan.setting_of(run.spec, trial)) for n, trial in trials.items()}
    settings = [of_trial.get(name) for name in rows["trial"].to_pylist()]
    return rows.append_column("setting", pa.array(settings, pa.string()))
