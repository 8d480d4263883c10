"""How long a report of a large comparison takes, and how much memory: `python
benchmarks/report.py`.

7 backbones x 5 seeds x 3 periods x 12,183 test images: 1,279,215 predictions; `--periods 6` has 2.6
million. The store is made first and does not count. Promised: at most 20 s and 2 GiB on 2 cores.
Leaves with 1 when it is more.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import plan
from jobs.catalog import backbones
from jobs.data.image_folder import DataSource, ImageFile
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial

CLASSES, TEST_IMAGES, TRAIN_IMAGES = 20, 12_183, 48_724
MAX_SECONDS, MAX_GIB = 20.0, 2.0


def fill(root: Path, seeds: int, periods: int, epochs: int) -> None:
    """A store with one finished run of the study's size, without pixels."""
    store = Store(root).open(create=True)
    asked = model.build(
        {
            "data": str(root / "animals"),
            "backbones": "all",
            "seeds": seeds,
            "periods": periods,
            "epochs_per_period": epochs,
            "name": "study",
        }
    )
    labels = [f"class {i:02d}" for i in range(CLASSES)]
    names = [
        (f"{labels[i % CLASSES]}/{i:05d}.jpg", labels[i % CLASSES])
        for i in range(TEST_IMAGES + TRAIN_IMAGES)
    ]
    source = DataSource(
        str(root / "animals"),
        tuple(labels),
        tuple(ImageFile(path, label, "", 1) for path, label in names),
    )
    data = source.data_id(asked.data_settings())
    store.save_data(data, source, asked.data_settings())
    unfolded = plan.unfold(asked, data)
    run = Run(
        "study",
        asked,
        data,
        tuple(t.name for t in unfolded.trials),
        tuple(t.id for t in unfolded.tasks),
        time.time(),
        {"orch": "benchmark"},
    )
    for trial in unfolded.trials:
        store.save_trial(trial, list(unfolded.target_epochs), run.name)
    store.save_run(run)
    trials = {trial.name: trial for trial in unfolded.trials}
    for task in unfolded.tasks:
        work = root / "work" / task.id
        work.mkdir(parents=True)
        outcome = (
            _prepare(work, data, names)
            if task.kind == "prepare"
            else (_train if task.kind == "train" else _evaluate)(
                work, run, trials[task.subject], task.epoch, names
            )
        )
        store.publish(task, outcome, work, lambda: True)
        _attempt(store, run, task)


def measure(root: Path, out: Path) -> bool:
    """Write the report, print the time of each part, and say whether it was quick and
    small enough.
    """
    began, worked = time.perf_counter(), time.process_time()
    from orchestrator.analysis import analysis, run_data
    from orchestrator.report import data_tables, page, write

    write.need(write.NEEDED)
    parts, before = {}, began

    def lap(part: str) -> None:
        nonlocal before
        now = time.perf_counter()
        parts[part], before = now - before, now

    lap("imports")
    store = Store(root).open()
    read = run_data.read_run_data(store, store.latest_run())
    lap("reading the store")
    found = analysis.analyse(read)
    lap("statistics")
    told = page.assemble(read, found)
    lap("tables and figures")
    plain = data_tables.records(read, found)
    write.put(out, told, plain, write.FORMATS)
    lap("writing all six forms")
    total = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = sum(int((answers.predicted >= 0).sum()) for answers in read.predictions.answers.values())
    for part, seconds in parts.items():
        print(f"{part:24} {seconds:6.2f} s")
    print(
        f"{'in all':24} {total:6.2f} s ({time.process_time() - worked:.2f} s of CPU), peak "
        f"{peak:.2f} GiB, {rows:,} predictions in memory, {len(told.drawings)} figures"
    )
    return total <= MAX_SECONDS and peak <= MAX_GIB


def main() -> int:
    """Make the store, then measure in a process of its own on two cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--periods", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10, help="epochs a period")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        return 0 if measure(asked.measure / "store", asked.measure / "out") else 1
    root = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    try:
        began = time.perf_counter()
        fill(root / "store", asked.seeds, asked.periods, asked.epochs)
        print(f"(store made in {time.perf_counter() - began:.0f} s)", flush=True)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        return subprocess.run([sys.executable, __file__, "--measure", str(root)]).returncode
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _prepare(work: Path, data: str, names: list[tuple[str, str]]) -> dict[str, Any]:
    splits = [
        "test" if i < TEST_IMAGES else "validation" if i % 8 == 0 else "train"
        for i in range(len(names))
    ]
    rows = [
        {"path": path, "label": label, "split": split, "sha256": f"{i}", "pixels": f"{i}"}
        for i, ((path, label), split) in enumerate(zip(names, splits, strict=True))
    ]
    tables.write_table(
        work / "manifest.parquet", pa.Table.from_pylist(rows, schema=tables.MANIFEST)
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row["label"], {"train": 0, "validation": 0, "test": 0})[row["split"]] += 1
    return {
        "files": {"manifest.parquet": f"data/{data}/manifest.parquet"},
        "images": len(rows),
        "skipped": [],
        "classes": counts,
        "seconds": 1.0,
    }


def _train(work: Path, run: Run, trial: Trial, until: int, names: object) -> dict[str, Any]:
    seconds = 60.0 * backbones.CATALOG[trial.backbone].relative_cost
    rows = [
        {
            "backbone": trial.backbone,
            "seed": trial.seed,
            "period": run.period_of(e),
            "epoch": e,
            "train_loss": 1 / e,
            "val_loss": 0.3 + 1 / e + 0.01 * e,
            "val_accuracy": 0.9,
            "learning_rate": 0.001,
            "seconds": seconds,
            "images_per_second": 42_000 / seconds,
        }
        for e in range(until - run.spec.epochs_per_period + 1, until + 1)
    ]
    tables.write_table(work / "epochs.parquet", tables.build_table("epochs", rows))
    return {
        "files": {
            "epochs.parquet": f"{tables.table_folder('epochs', trial.name)}/{until:04d}.parquet"
        },
        "epoch": until,
        "precision": "fp32",
        "threads": 2,
        "seconds": seconds,
        "device": "cpu",
    }


def _evaluate(
    work: Path, run: Run, trial: Trial, epoch: int, names: list[tuple[str, str]]
) -> dict[str, Any]:
    rng = np.random.default_rng([epoch, trial.seed, len(trial.backbone)])
    label = np.arange(TEST_IMAGES) % CLASSES
    wrong = np.random.default_rng(1).random(TEST_IMAGES) + rng.normal(0, 0.05, TEST_IMAGES) > 0.93
    answer = np.where(wrong, (label + rng.integers(1, 4, TEST_IMAGES)) % CLASSES, label)
    classes = pa.array([f"class {i:02d}" for i in range(CLASSES)])
    who = {"backbone": pa.array([trial.backbone] * TEST_IMAGES)} | {
        name: pa.array(np.full(TEST_IMAGES, value))
        for name, value in (
            ("seed", trial.seed),
            ("period", run.period_of(epoch)),
            ("epoch", epoch),
        )
    }
    sure = pa.array(rng.uniform(0.4, 1, TEST_IMAGES), pa.float32())
    table = pa.table(
        {
            **who,
            "image": pa.array([path for path, _ in names[:TEST_IMAGES]]),
            "label": pa.DictionaryArray.from_arrays(pa.array(label, pa.int32()), classes),
            "predicted": pa.DictionaryArray.from_arrays(pa.array(answer, pa.int32()), classes),
            "confidence": sure,
            "label_confidence": sure,
            "label_rank": pa.array(wrong.astype(np.int32)),
        }
    ).cast(tables.SCHEMAS["predictions"])
    tables.write_table(work / "predictions.parquet", table)
    correct = int((~wrong).sum())
    facts = {
        "epoch": epoch,
        "loss": 0.3,
        "correct": correct,
        "total": TEST_IMAGES,
        "accuracy": correct / TEST_IMAGES,
        "seconds": 1.0,
    }
    tables.write_table(
        work / "evaluations.parquet",
        tables.build_table(
            "evaluations",
            [
                {
                    "backbone": trial.backbone,
                    "seed": trial.seed,
                    "period": run.period_of(epoch),
                    "corruption": "none",
                    "severity": 0,
                    **facts,
                }
            ],
        ),
    )
    return {
        "files": {
            f"{name}.parquet": f"{tables.table_folder(name, trial.name)}/{epoch:04d}.parquet"
            for name in ("predictions", "evaluations")
        },
        **facts,
        "device": "cpu",
    }


def _attempt(store: Store, run: Run, task: Task) -> None:
    from datetime import UTC, datetime, timedelta

    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=60 * run.tasks.index(task.id))
    trial = tables.DATA_SETS if task.kind == "prepare" else task.subject
    row = {
        "task": task.id,
        "kind": task.kind,
        "run": run.name,
        "attempt": 1,
        "state": "done",
        "failure": None,
        "worker": f"gpu-{len(task.subject) % 4}",
        "host": "alpha",
        "device": "cuda:0",
        "queued_at": began,
        "started_at": began,
        "finished_at": began + timedelta(seconds=55),
    }
    tables.write_table(
        store.root / tables.table_folder("attempts", trial) / f"{task.id}-0001.parquet",
        tables.build_table("attempts", [row]),
    )


if __name__ == "__main__":
    sys.exit(main())
