"""A ranking of networks as if it had been made, published through the real store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from jobs import plan
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.rank import rank_spec


def record_ranking(
    store: Store, trained: Run, backbones: Sequence[str], name: str = "rank", split_seed: int = 0
) -> Run:
    """A ranking on the images of a run, recorded as `orch rank` does; nothing of it is done."""
    source, settings = store.load_data(trained.data)
    settings = settings.model_copy(update={"split_seed": split_seed})
    spec = rank_spec(
        {
            "data": trained.spec.data,
            "backbones": list(backbones),
            "image_size": settings.image_size,
            "name": name,
            "split_seed": split_seed,
        }
    )
    unfolded = plan.unfold(spec, source.data_id)
    store.save_data(unfolded.data, source, settings)
    for trial in unfolded.trials:
        store.save_trial(trial, unfolded.target_epochs, unfolded.run)
    names = tuple(trial.name for trial in unfolded.trials)
    tasks = tuple(task.id for task in unfolded.tasks)
    run = Run(unfolded.run, spec, unfolded.data, names, tasks, time.time(), {})
    store.save_run(run)
    return run


def publish_ranking(
    store: Store, run: Run, right: Mapping[str, float], groups: Mapping[str, str] | None = None
) -> None:
    """Publish networks of a ranking: the share of 200 images that each has right, the same first.

    `groups` are those of images by name; the others belong to nothing.
    """
    for name in run.trials:
        trial = store.load_trial(name)
        if trial.backbone in right:
            _publish(store, Task("rank", name), trial.backbone, right[trial.backbone], groups or {})


def _publish(
    store: Store, task: Task, backbone: str, share: float, groups: Mapping[str, str]
) -> None:
    who = {"backbone": backbone, "seed": 0, "period": 0, "epoch": 0}
    answers = [
        {
            **who,
            "image": f"{number:03d}.jpg",
            "label": "ape",
            "fold": number % 5,
            "group": groups.get(f"{number:03d}.jpg", f"equal {number:03d}.jpg"),
            "predicted": "ape" if number < round(200 * share) else "bear",
            "knn_predicted": "ape",
        }
        for number in range(200)
    ]
    facts = {"probe_accuracy": share, "knn_accuracy": 1.0, "logme": share, "folds": 5}
    facts |= {"feature_seconds": 3.0, "probe_seconds": 1.0, "neighbours": 20, "features": 8}
    row = {**who, **facts, "images": 200, "device": "cpu", "recipe": "{}"}
    work, published = store.attempts_folder(task) / "1", {}
    work.mkdir(parents=True)
    for table, rows in (("rankings", [row]), ("ranking_answers", answers)):
        tables.write_table(work / f"{table}.parquet", tables.build_table(table, rows))
        published[f"{table}.parquet"] = f"{tables.table_folder(table, task.subject)}/e0000.parquet"
    result = {"files": published, "accuracy": share, "seconds": 4.0, "device": "cpu"}
    store.publish_result(task, result, work, lambda: True)
