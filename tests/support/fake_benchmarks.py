"""The result of a benchmark, as if a worker had measured it."""

from __future__ import annotations

from typing import Any

from jobs.store import tables
from jobs.store.store import Store
from jobs.task import Task


def publish(store: Store, task: Task, **changed: Any) -> None:
    """The result of a benchmark, as a worker publishes it."""
    assert task.way is not None
    trial, work = store.load_trial(task.subject), store.root / "work" / task.id
    work.mkdir(parents=True)
    who = {"backbone": trial.backbone, "seed": trial.seed, "period": 1, "epoch": task.epoch}
    who |= {"runtime": task.way.runtime, "threads": task.way.threads, "host": task.way.host}
    row = who | {
        **{"device": "cpu", "processor": "Some CPU", "runtime_version": "1.0", "runs": 50},
        **{"size_bytes": 5_000_000, "others_load": 0.0, "peak_memory_bytes": 10**8},
        **{"correct": 90, "total": 100, "float32_correct": 92, "only_float32_correct": 5},
        **{"only_this_correct": 3, "same_answers": 91, "max_score_difference": 0.1},
    }
    rows = [
        row
        | {"batch": batch, "p50_ms": 2.0 * batch, "p95_ms": 3.0 * batch, "images_per_second": 500.0}
        | changed
        for batch in (1, 32)
    ]
    other = who | {"image": "ape/1.png", "label": "ape", "float32_predicted": "ape"}
    for name, each in (
        ("benchmarks", rows),
        ("benchmark_differences", [other | {"predicted": "bear", "float32_margin": 0.01}]),
    ):
        tables.write_table(work / f"{name}.parquet", tables.build_table(name, each))
    places = {
        f"{name}.parquet": f"{tables.table_folder(name, task.subject)}/e2-{task.way.suffix}.parquet"
        for name in ("benchmarks", "benchmark_differences")
    }
    store.publish_result(task, {"files": places}, work, lambda: True)
