"""Stand-ins for slow or absent things: a run stored through the real store as if it had been
trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs import atomic, plan
from jobs.catalog import corruptions
from jobs.catalog.backbones import CATALOG
from jobs.data.image_folder import DataSource, ImageFile
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task, Trial

ANIMALS = (
    "ape",
    "bear",
    "bison",
    "cat",
    "chicken",
    "cow",
    "deer",
    "dog",
    "dolphin",
    "duck",
    "eagle",
    "fish",
    "horse",
    "lion",
    "lobster",
    "pig",
    "rabbit",
    "shark",
    "snake",
    "spider",
    "turkey",
    "wolf",
)
SUBMITTED_AT = 1_790_000_000.0
SKILL = {
    "scratch": 0.62,
    "alexnet": 0.83,
    "mobilenet-v3": 0.93,
    "squeezenet": 0.80,
    "squeezenet-finetuned": 0.82,
    "vgg16": 0.92,
    "resnet34": 0.94,
}


def fill_store(
    root: Path,
    *,
    backbones: str | Sequence[str] = "all",
    classes: Sequence[str] = ANIMALS,
    images_a_class: int = 20,
    image_size: int = 64,
    seeds: int = 1,
    periods: int = 3,
    epochs_per_period: int = 2,
    pixels: bool = True,
    skipped: Sequence[str] = (),
    finished: Callable[[Task], bool] = lambda task: True,
    failed: Mapping[str, str] | None = None,
    name: str | None = None,
    harder: Sequence[str] = (),
) -> tuple[Store, Run]:
    """A store that holds one run with plausible, repeatable rows; needs neither torch nor a worker.

    Tasks for which `finished` is false stay open; `failed` maps task ids to the message they failed
    with. A fifth of each class is for testing, and every class holds one exact duplicate.
    """
    store = Store(root).open(create=True)
    asked = model.build(
        {
            "data": str(root / "photos"),
            "backbones": backbones,
            "seeds": seeds,
            "periods": periods,
            "name": name,
            "epochs_per_period": epochs_per_period,
            "image_size": image_size,
            "skip_broken": bool(skipped),
            "corruptions": list(harder),
        }
    )
    manifest = _manifest(classes, images_a_class)
    entries = tuple(ImageFile(row["path"], row["label"], row["sha256"], 1000) for row in manifest)
    source = DataSource(str(root / "photos"), tuple(classes), entries)
    data = source.data_id(asked.data_settings())
    store.save_data(data, source, asked.data_settings())
    unfolded = plan.unfold(asked, data)
    run = Run(
        unfolded.run,
        asked,
        data,
        tuple(trial.name for trial in unfolded.trials),
        tuple(task.id for task in unfolded.tasks),
        SUBMITTED_AT,
        {"orch": "0.1.0", "host": "alpha"},
    )
    for trial in unfolded.trials:
        store.save_trial(trial, list(unfolded.marks), run.name, unfolded.variants)
    store.save_run(run)
    _work(store, run, unfolded, manifest, pixels, skipped, finished, failed or {})
    return store, run


def _work(
    store: Store,
    run: Run,
    unfolded: plan.Plan,
    manifest: list[dict[str, str]],
    pixels: bool,
    skipped: Sequence[str],
    finished: Callable[[Task], bool],
    failed: Mapping[str, str],
) -> None:
    trials = {trial.name: trial for trial in unfolded.trials}
    for task in (task for task in unfolded.tasks if not store.is_done(task)):
        if task.id in failed:
            _fail(store, task, failed[task.id])
        elif finished(task):
            work = store.attempts_folder(task) / "1"
            work.mkdir(parents=True)
            if task.kind == "prepare":
                outcome = _prepare(work, run, manifest, pixels, skipped)
            elif task.kind == "train":
                outcome = _train(work, run, trials[task.subject], task.epoch)
            else:
                outcome = _evaluate(work, run, trials[task.subject], task.epoch, manifest)
                if task.variant:
                    outcome = _harder(work, task, outcome)
            store.publish(task, outcome, work, lambda: True)
        if task.id in failed or finished(task):
            _attempt(store, run, task, "failed" if task.id in failed else "done")


def _prepare(
    work: Path, run: Run, manifest: list[dict[str, str]], pixels: bool, skipped: Sequence[str]
) -> dict[str, Any]:
    place = f"data/{run.data}"
    tables.write_table(
        work / "manifest.parquet", pa.Table.from_pylist(manifest, schema=tables.MANIFEST)
    )
    published = {"manifest.parquet": f"{place}/manifest.parquet"}
    if pixels:
        np.save(work / "images.npy", _pictures(manifest, run.spec.image_size))
        published["images.npy"] = f"{place}/images.npy"
    counts: dict[str, dict[str, int]] = {}
    for row in manifest:
        counts.setdefault(row["label"], {"train": 0, "validation": 0, "test": 0})[row["split"]] += 1
    return {
        "files": published,
        "images": len(manifest),
        "skipped": list(skipped),
        "classes": counts,
        "seconds": 4.2,
    }


def _train(work: Path, run: Run, trial: Trial, until: int) -> dict[str, Any]:
    rng = _rng("train", trial.backbone, trial.seed, until)
    rows, cost = [], CATALOG[trial.backbone].relative_cost
    for epoch in range(until - run.spec.epochs_per_period + 1, until + 1):
        right = _right(trial, epoch)
        seconds = cost * 31.7 * float(rng.uniform(0.95, 1.05))
        rows.append(
            {
                "backbone": trial.backbone,
                "seed": trial.seed,
                "period": run.period_of(epoch),
                "epoch": epoch,
                "train_loss": 3.4 * (1 - right) ** 1.4 + 0.02 * float(rng.random()),
                "val_loss": 3.1 * (1 - right) + 0.05 * float(rng.random()),
                "val_accuracy": right - 0.02 * float(rng.random()),
                "learning_rate": 0.001,
                "seconds": seconds,
                "images_per_second": 1400 / seconds,
            }
        )
    tables.write_table(work / "epochs.parquet", tables.build_table("epochs", rows))
    return {
        "files": {
            "epochs.parquet": f"{tables.table_folder('epochs', trial.name)}/{until:04d}.parquet"
        },
        "epoch": until,
        "checkpoint": f"{until:04d}.pt",
        "weights_digest": hashlib.sha256(f"{trial.name}{until}".encode()).hexdigest(),
        "precision": "bf16",
        "threads": 2,
        "seconds": sum(row["seconds"] for row in rows),
        "device": "cpu",
    }


def _evaluate(
    work: Path, run: Run, trial: Trial, epoch: int, manifest: list[dict[str, str]]
) -> dict[str, Any]:
    test = [row for row in manifest if row["split"] == "test"]
    labels = sorted({row["label"] for row in manifest})
    who = {
        "backbone": trial.backbone,
        "seed": trial.seed,
        "period": run.period_of(epoch),
        "epoch": epoch,
    }
    hard = _rng("hardness").random(len(test))
    luck = _rng("answers", trial.backbone, trial.seed, epoch).normal(0, 0.12, len(test))
    wrong = hard + luck > _right(trial, epoch)
    where = {name: place for place, name in enumerate(labels)}
    answers = [
        labels[(where[row["label"]] + 1 + i % 3) % len(labels)] if wrong[i] else row["label"]
        for i, row in enumerate(test)
    ]
    sure = 0.99 - 0.5 * np.abs(hard - 0.2)
    tables.write_table(
        work / "predictions.parquet",
        tables.build_table(
            "predictions",
            [
                {
                    **who,
                    "image": row["path"],
                    "label": row["label"],
                    "predicted": answer,
                    "confidence": float(sure[i]),
                    "label_confidence": float(1 - sure[i] if wrong[i] else sure[i]),
                    "label_rank": int(wrong[i]),
                }
                for i, (row, answer) in enumerate(zip(test, answers, strict=True))
            ],
        ),
    )
    correct = int((~wrong).sum())
    facts = {
        "epoch": epoch,
        "loss": 2.5 * (1 - correct / len(test)) + 0.05,
        "correct": correct,
        "total": len(test),
        "accuracy": correct / len(test),
        "seconds": 3.3,
    }
    tables.write_table(
        work / "evaluations.parquet",
        tables.build_table("evaluations", [{**who, **facts, "corruption": "none", "severity": 0}]),
    )
    published = {
        f"{table}.parquet": f"{tables.table_folder(table, trial.name)}/{epoch:04d}.parquet"
        for table in ("predictions", "evaluations")
    }
    return {"files": published, **facts, "device": "cpu"}


def _harder(work: Path, task: Task, outcome: dict[str, Any]) -> dict[str, Any]:
    """An evaluation on corrupted images: a tenth fewer correct at each severity, predictions not
    stored.
    """
    corruption, severity = corruptions.parse_level(task.variant)
    (row,) = tables.read_files([work / "evaluations.parquet"])
    correct = round(row["correct"] * (1 - 0.1 * severity))
    facts = {"correct": correct, "accuracy": correct / row["total"]}
    tables.write_table(
        work / "evaluations.parquet",
        tables.build_table(
            "evaluations", [row | facts | {"corruption": corruption, "severity": severity}]
        ),
    )
    folder = tables.table_folder("evaluations", task.subject)
    place = f"{folder}/{task.epoch:04d}-{task.variant}.parquet"
    return outcome | facts | {"files": {"evaluations.parquet": place}}


def _fail(store: Store, task: Task, message: str) -> None:
    atomic.create_json(
        store.failed_path(task), {"failure": "bad-image", "message": message, "attempt": 1}
    )


def _attempt(store: Store, run: Run, task: Task, state: str) -> None:
    began = datetime.fromtimestamp(SUBMITTED_AT, UTC)
    row = {
        "task": task.id,
        "kind": task.kind,
        "run": run.name,
        "attempt": 1,
        "state": state,
        "failure": "bad-image" if state == "failed" else None,
        "worker": "alpha-1",
        "host": "alpha",
        "device": "cpu",
        "queued_at": began,
        "started_at": began + timedelta(seconds=1),
        "finished_at": began + timedelta(seconds=9),
    }
    trial = tables.DATA_SETS if task.kind == "prepare" else task.subject
    place = store.root / tables.table_folder("attempts", trial) / f"{task.id}-0001.parquet"
    tables.write_table(place, tables.build_table("attempts", [row]))


def _right(trial: Trial, epoch: int) -> float:
    """How much of the data a trial gets right after an epoch: rising towards the
    backbone's skill.
    """
    skill = SKILL[trial.backbone] + 0.01 * float(_rng("skill", trial.backbone, trial.seed).normal())
    return min(0.995, skill * (1 - 0.55 * 0.5**epoch))


def _manifest(classes: Sequence[str], images_a_class: int) -> list[dict[str, str]]:
    rows = []
    for place, label in enumerate(classes):
        for number in range(images_a_class + place % 5):
            split = "test" if number % 5 == 0 else "validation" if number % 10 == 1 else "train"
            seen = number - 2 if number == 4 else number
            rows.append(
                {
                    "path": f"{label}/{number:04d}.jpg",
                    "label": label,
                    "split": split,
                    "sha256": hashlib.sha256(f"{label}{number}".encode()).hexdigest(),
                    "pixels": hashlib.sha256(f"{label}{seen}".encode()).hexdigest(),
                }
            )
    return rows


def _pictures(manifest: list[dict[str, str]], size: int) -> np.ndarray[Any, Any]:
    """Coloured rings on a slope, one hue a class, one phase an image: (N, size, size, 3) uint8."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    labels = sorted({row["label"] for row in manifest})
    made = np.empty((len(manifest), size, size, 3), np.uint8)
    for i, row in enumerate(manifest):
        hue = 6.283 * labels.index(row["label"]) / len(labels)
        rings = 0.5 + 0.5 * np.sin(30 * np.hypot(x, y) + i)
        for channel in range(3):
            made[i, ..., channel] = 255 * np.clip(
                rings * (0.55 + 0.45 * np.cos(hue + 2.09 * channel)) + x / 4, 0, 1
            )
    return made


def _rng(*key: object) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(repr(key).encode()).digest()))
