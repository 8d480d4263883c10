"""A store of many trials for `startup.py`: some done, some begun, some being trained."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import common

from jobs import atomic, plan
from jobs.catalog.backbones import CATALOG
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.store.tables import table_folder
from jobs.task import Task
from workers.execution import attempts

PERIODS, EPOCHS = 3, 10
RUNNING = 4
SHARE_DONE = 0.5
BACKBONES = ("scratch", "alexnet", "squeezenet", "squeezenet-finetuned", "resnet34")


def fill_store(root: Path, trials: int, runs: int) -> str:
    """Make a store of `trials` trials in `runs` runs; returns the name of the last run.

    Half of the trials are done and one in ten is begun. Four of the last run are being trained.
    """
    store = Store(root).open(create=True)
    backbones = BACKBONES if trials // runs % len(BACKBONES) == 0 else BACKBONES[:1]
    seeds = max(1, trials // runs // len(backbones))
    with ThreadPoolExecutor(16) as pool:
        for number in range(runs):
            if number % 10 == 0:
                common.say(f"making a store of {trials:,} trials: run {number + 1} of {runs}")
            name = _one_run(
                store,
                pool,
                model.build(
                    {
                        "backbones": list(backbones),
                        "seeds": seeds,
                        "periods": PERIODS,
                        "epochs_per_period": EPOCHS,
                        "momentum": 0.9 - number / 1000,
                        "name": f"study-{number:03d}",
                    }
                ),
                working=number == runs - 1,
            )
    common.say("")
    return name


def _one_run(store: Store, pool: ThreadPoolExecutor, spec: model.Spec, working: bool) -> str:
    data = "digits-64px-00000000"
    unfolded = plan.unfold(spec, data)
    run = Run(
        unfolded.run,
        spec,
        data,
        tuple(t.name for t in unfolded.trials),
        tuple(t.id for t in unfolded.tasks),
        time.time(),
        {"orch": "benchmark"},
    )
    _all(
        pool,
        lambda trial: store.save_trial(trial, unfolded.target_epochs, run.name),
        unfolded.trials,
    )
    store.save_run(run)
    done, begun = int(len(run.trials) * SHARE_DONE), int(len(run.trials) * (SHARE_DONE + 0.1))
    finished = {
        name: PERIODS if place < done else 1 if place < begun else 0
        for place, name in enumerate(run.trials)
    }
    work = [
        task
        for task in unfolded.tasks
        if task.kind == "prepare" or task.epoch <= finished[task.subject] * EPOCHS
    ]
    _all(
        pool,
        lambda task: _done(store, run, task),
        [task for task in work if not store.is_done(task)],
    )
    _all(
        pool,
        lambda trial: _running(store, run, trial),
        run.trials[done : done + RUNNING] if working else (),
    )
    return run.name


def _all(pool: ThreadPoolExecutor, do: Callable[[Any], None], each: Any) -> None:
    for _ in pool.map(do, each):
        pass


def _begin(store: Store, run: Run, task: Task, worker: str) -> attempts.Attempt:
    return attempts.begin(
        attempts.read_history(store, task),
        {
            "trial": None if task.kind == "prepare" else task.subject,
            "run": run.name,
            "worker": worker,
            "host": "alpha",
            "device": "cuda:0",
            "token": 1,
            "queued_at": time.time(),
        },
    )


def _done(store: Store, run: Run, task: Task) -> None:
    """Record an attempt that succeeded, and publish its files."""
    made = _begin(store, run, task, "alpha-1")
    tables = {"prepare": (), "train": ("epochs",), "evaluate": ("evaluations", "predictions")}[
        task.kind
    ]
    for table in tables:
        (made.work_folder / f"{table}.parquet").write_bytes(b"PAR1")
    facts: dict[str, Any] = {"epoch": task.epoch, "seconds": 61.5, "device": "cuda:0"}
    if task.kind == "train":
        cost = CATALOG[task.subject.rsplit("-s", 1)[0]].relative_cost
        facts |= {
            "stopped_early": False,
            "checkpoint": f"trials/{task.subject}/checkpoints/e{task.epoch:04d}.pt",
            "weights_digest": "0" * 64,
            "precision": "bf16",
            "threads": 2,
            "micro_batches": [],
            "seconds": 20 * cost,
            "peak_memory_bytes": 10**9,
            "measured_from": task.epoch - EPOCHS,
        }
    elif task.kind == "evaluate":
        facts |= {"loss": 0.4, "correct": 300, "total": 360, "accuracy": 300 / 360}
    places = {
        f"{table}.parquet": f"{table_folder(table, task.subject)}/{task.epoch:04d}.parquet"
        for table in tables
    }
    store.publish_result(task, {"files": places, **facts}, made.work_folder, lambda: True)
    shutil.rmtree(made.work_folder)
    made.finish("done")


def _running(store: Store, run: Run, trial: str) -> None:
    """Record a training in progress: its attempt, its last progress report, its worker's heartbeat.

    The report is an hour ahead, so that it counts as new; see `keep_alive` for the heartbeat.
    """
    task, worker = Task("train", trial, 2 * EPOCHS), f"alpha-{trial.rsplit('-', 1)[1]}"
    _begin(store, run, task, worker)
    atomic.write_json(
        store.progress_path(task),
        {
            "task": task.id,
            "attempt": 1,
            "worker": worker,
            "host": "alpha",
            "device": "cuda:0",
            "phase": "train",
            "done": 12,
            "total": 40,
            "epoch": EPOCHS + 3,
            "epochs": 2 * EPOCHS,
            "loss": 0.41,
            "images_per_second": 2100.5,
            "val_accuracy": 0.71,
            "eta_s": 33.0,
            "at": time.time() + 3600,
        },
    )
    atomic.write_json(
        store.root / "workers" / f"{worker}.json",
        {
            "name": worker,
            "host": "alpha",
            "pid": 1,
            "device": "cuda:0",
            "task": task.id,
            "at": time.time() + 3600,
        },
    )


def keep_alive(root: Path) -> None:
    """Give all workers a new heartbeat; without one, status first watches whether they live."""
    for path in (root / "workers").glob("*.json"):
        atomic.write_json(path, (atomic.read_json(path) or {}) | {"at": time.time()})
