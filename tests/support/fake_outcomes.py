"""What tasks would have published: plausible, repeatable rows and their outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.catalog import corruptions
from jobs.catalog.backbones import relative_cost
from jobs.store import tables
from jobs.store.runs import Run
from jobs.task import Task, Trial
from support.fake_images import Manifest, fake_pixels

SKILL = {
    "scratch": 0.62,
    "alexnet": 0.83,
    "mobilenet-v3": 0.93,
    "squeezenet": 0.80,
    "squeezenet-finetuned": 0.82,
    "vgg16": 0.92,
    "resnet34": 0.94,
}


def prepared(
    work: Path, run: Run, manifest: Manifest, pixels: bool, skipped: Sequence[str]
) -> dict[str, Any]:
    """The outcome of preparing the data; the manifest, and the pixels if wanted, are written."""
    place = f"data/{run.data}"
    tables.write_table(
        work / "manifest.parquet", pa.Table.from_pylist(manifest, schema=tables.MANIFEST)
    )
    published = {"manifest.parquet": f"{place}/manifest.parquet"}
    if pixels:
        np.save(work / "images.npy", fake_pixels(manifest, run.spec.image_size))
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


def trained(work: Path, run: Run, trial: Trial, until: int) -> dict[str, Any]:
    """The outcome of training a period up to an epoch; its rows are written to the folder."""
    rng = _rng("train", trial.backbone, trial.seed, until)
    rows, cost = [], relative_cost(trial.backbone)
    for epoch in range(until - run.spec.epochs_per_period + 1, until + 1):
        right = _share_right(trial, epoch)
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
    _write(work, "epochs", rows)
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


def evaluated(work: Path, run: Run, trial: Trial, epoch: int, manifest: Manifest) -> dict[str, Any]:
    """An evaluation's outcome; its predictions and its row are written to the folder."""
    test = [row for row in manifest if row["split"] == "test"]
    key = {
        "backbone": trial.backbone,
        "seed": trial.seed,
        "period": run.period_of(epoch),
        "epoch": epoch,
    }
    hardness = _rng("hardness").random(len(test))
    split = [trial.data] if run.spec.splits > 1 else []
    luck = _rng("answers", trial.backbone, trial.seed, epoch, *split).normal(0, 0.12, len(test))
    wrong = hardness + luck > _share_right(trial, epoch)
    labels = sorted({row["label"] for row in manifest})
    predictions = _predictions(test, labels, wrong, 0.99 - 0.5 * np.abs(hardness - 0.2))
    _write(work, "predictions", [key | prediction for prediction in predictions])
    correct = int((~wrong).sum())
    facts = {
        "epoch": epoch,
        "loss": 2.5 * (1 - correct / len(test)) + 0.05,
        "correct": correct,
        "total": len(test),
        "accuracy": correct / len(test),
        "seconds": 3.3,
    }
    _write(work, "evaluations", [key | facts | {"corruption": "none", "severity": 0}])
    published = {
        f"{table}.parquet": f"{tables.table_folder(table, trial.name)}/{epoch:04d}.parquet"
        for table in ("predictions", "evaluations")
    }
    return {"files": published, **facts, "device": "cpu"}


def _predictions(
    test: Manifest, labels: list[str], wrong: np.ndarray[Any, Any], sure: np.ndarray[Any, Any]
) -> list[dict[str, Any]]:
    """A row for each test image; a wrong answer is one of the next three classes."""
    place = {label: number for number, label in enumerate(labels)}
    return [
        {
            "image": row["path"],
            "label": row["label"],
            "predicted": labels[(place[row["label"]] + 1 + i % 3) % len(labels)]
            if wrong[i]
            else row["label"],
            "confidence": float(sure[i]),
            "label_confidence": float(1 - sure[i] if wrong[i] else sure[i]),
            "label_rank": int(wrong[i]),
        }
        for i, row in enumerate(test)
    ]


def _write(work: Path, table: str, rows: list[dict[str, Any]]) -> None:
    tables.write_table(work / f"{table}.parquet", tables.build_table(table, rows))


def corrupted(work: Path, task: Task, outcome: dict[str, Any]) -> dict[str, Any]:
    """An evaluation on corrupted images: a tenth fewer correct at each severity, predictions not
    stored.
    """
    corruption, severity = corruptions.parse_level(task.corruption)
    (row,) = tables.read_files([work / "evaluations.parquet"])
    correct = round(row["correct"] * (1 - 0.1 * severity))
    facts = {"correct": correct, "accuracy": correct / row["total"]}
    _write(work, "evaluations", [row | facts | {"corruption": corruption, "severity": severity}])
    folder = tables.table_folder("evaluations", task.subject)
    place = f"{folder}/{task.epoch:04d}-{task.corruption}.parquet"
    return outcome | facts | {"files": {"evaluations.parquet": place}}


def _share_right(trial: Trial, epoch: int) -> float:
    """How much of the data a trial gets right after an epoch: rising towards the
    backbone's skill.
    """
    skill = SKILL.get(trial.backbone, 0.85) + 0.01 * float(
        _rng("skill", trial.backbone, trial.seed).normal()
    )
    skill -= 0.1 * (trial.recipe.learning_rate != 0.001)  # in a grid
    return min(0.995, skill * (1 - 0.55 * 0.5**epoch))


def _rng(*key: object) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(repr(key).encode()).digest()))
