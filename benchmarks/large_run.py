"""A finished run of the study's size for `report.py`, without pixels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import plan
from jobs.catalog import backbones
from jobs.data.data_source import DataSource, ImageFile
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial
from orchestrator.submission.run_creation import create_run

CLASSES, TEST_IMAGES, TRAIN_IMAGES = 20, 12_183, 48_724
Names = list[tuple[str, str]]
"""The path and the label of each image."""


def fill_store(root: Path, seeds: int, periods: int, epochs: int) -> None:
    """Make a store with one finished run of the study's size."""
    store = Store(root).open(create=True)
    spec = model.build(
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
    run, unfolded = _record_run(store, spec, labels, names)
    trials = {trial.name: trial for trial in unfolded.trials}
    for task in unfolded.tasks:
        work = root / "work" / task.id
        work.mkdir(parents=True)
        if task.kind == "prepare":
            outcome = _prepare(work, run.data, names)
        elif task.kind == "train":
            outcome = _train(work, run, trials[task.subject], task.epoch)
        else:
            outcome = _evaluate(work, run, trials[task.subject], task.epoch, names)
        store.publish_result(task, outcome, work, lambda: True)
        _attempt(store, run, task)


def _record_run(
    store: Store, spec: model.Spec, labels: list[str], names: Names
) -> tuple[Run, plan.Plan]:
    """Record the data set, the trials and the run."""
    source = DataSource(
        str(store.root / "animals"),
        tuple(labels),
        tuple(ImageFile(path, label, "", 1) for path, label in names),
    )
    run = create_run(store, spec, source, {"orch": "benchmark"})
    return run, plan.unfold(spec, run.data)


def _prepare(work: Path, data: str, names: Names) -> dict[str, Any]:
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


def _train(work: Path, run: Run, trial: Trial, until: int) -> dict[str, Any]:
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


def _evaluate(work: Path, run: Run, trial: Trial, epoch: int, names: Names) -> dict[str, Any]:
    rng = np.random.default_rng([epoch, trial.seed, len(trial.backbone)])
    wrong = np.random.default_rng(1).random(TEST_IMAGES) + rng.normal(0, 0.05, TEST_IMAGES) > 0.93
    key = {
        "backbone": trial.backbone,
        "seed": trial.seed,
        "period": run.period_of(epoch),
        "epoch": epoch,
    }
    tables.write_table(work / "predictions.parquet", _predictions(key, names, wrong, rng))
    correct = int((~wrong).sum())
    facts = {
        "epoch": epoch,
        "loss": 0.3,
        "correct": correct,
        "total": TEST_IMAGES,
        "accuracy": correct / TEST_IMAGES,
        "seconds": 1.0,
    }
    row = key | {"corruption": "none", "severity": 0} | facts
    tables.write_table(work / "evaluations.parquet", tables.build_table("evaluations", [row]))
    return {
        "files": {
            f"{name}.parquet": f"{tables.table_folder(name, trial.name)}/{epoch:04d}.parquet"
            for name in ("predictions", "evaluations")
        },
        **facts,
        "device": "cpu",
    }


def _predictions(
    key: dict[str, Any], names: Names, wrong: np.ndarray[Any, Any], rng: np.random.Generator
) -> pa.Table:
    """A row for each test image. A wrong answer is one of the next three classes."""
    label = np.arange(TEST_IMAGES) % CLASSES
    answer = np.where(wrong, (label + rng.integers(1, 4, TEST_IMAGES)) % CLASSES, label)
    classes = pa.array([f"class {i:02d}" for i in range(CLASSES)])
    confidence = pa.array(rng.uniform(0.4, 1, TEST_IMAGES), pa.float32())
    return pa.table(
        {
            **{name: pa.array([value] * TEST_IMAGES) for name, value in key.items()},
            "image": pa.array([path for path, _ in names[:TEST_IMAGES]]),
            "label": pa.DictionaryArray.from_arrays(pa.array(label, pa.int32()), classes),
            "predicted": pa.DictionaryArray.from_arrays(pa.array(answer, pa.int32()), classes),
            "confidence": confidence,
            "label_confidence": confidence,
            "label_rank": pa.array(wrong.astype(np.int32)),
        }
    ).cast(tables.SCHEMAS["predictions"])


def _attempt(store: Store, run: Run, task: Task) -> None:
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
