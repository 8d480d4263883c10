"""How long the command line takes to answer, as whole processes, over bare Python: `python
benchmarks/startup.py`.

The rival is `python -c pass`, run in turn with every command. Promised: help within 60 ms of it;
`orch status` within 250 ms of it on a store of 1,000 trials of 3 periods, half of them done, in one
run and in a hundred runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
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
MAX_HELP_MS, MAX_STATUS_MS = 60.0, 250.0
RUNNING = 4
OF_ONE, OF_MANY = "one", "many"
BARE = "python -c pass"
SHARE_DONE = 0.5
BACKBONES = ("scratch", "alexnet", "squeezenet", "squeezenet-finetuned", "resnet34")


def main() -> int:
    """Fill the stores, time every command in turn, print and compare with the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--trials", type=int, default=1000, help="trials in each store  [default: 1000]"
    )
    parser.add_argument(
        "--runs", type=int, default=100, help="runs of the second store  [default: 100]"
    )
    parser.add_argument(
        "--repeats", type=int, default=9, help="each command timed so often  [default: 9]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--check", action="store_true", help="leave with 1 when a goal is missed")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orch-benchmark-"))
    try:
        run = fill(folder / OF_ONE, asked.trials, 1)
        fill(folder / OF_MANY, asked.trials, asked.runs)
        rivals = {name: _timing(words, folder) for name, words in commands(run, folder).items()}
        figures = common.interleaved(rivals, asked.repeats, "starting", warm_ups=2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tell(figures, asked)


def commands(run: str, folder: Path) -> dict[str, list[str]]:
    """What is timed: a caption, and the words of its command line."""
    orch = str(Path(sys.executable).with_name("orch"))
    one, many = ([orch, "--store", str(folder / name)] for name in (OF_ONE, OF_MANY))
    return {
        BARE: [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "orch --help": [orch, "--help"],
        "orch --version": [orch, "--version"],
        "orch submit --help": [orch, "submit", "--help"],
        "orch report --help": [orch, "report", "--help"],
        "orch models": [orch, "models"],
        "orch status, one run": [*one, "status"],
        "orch status RUN, one run": [*one, "status", run],
        "orch status RUN --json, one run": [*one, "status", run, "--json"],
        "orch status, many runs": [*many, "status"],
        "orch status --json, many runs": [*many, "status", "--json"],
    }


def tell(figures: dict[str, list[float]], asked: argparse.Namespace) -> int:
    """Print medians and what each command takes over bare Python."""
    medians = common.medians(figures)
    over = {name: (value - medians[BARE]) * 1000 for name, value in medians.items()}
    rows = [
        [name, value * 1000, over[name] if name != BARE else "", f"{min(figures[name]) * 1000:.0f}"]
        for name, value in medians.items()
    ]
    goals = [
        common.Goal(
            f"{name}, ms over bare Python",
            value,
            MAX_HELP_MS if "help" in name else MAX_STATUS_MS,
            at_most=True,
        )
        for name, value in over.items()
        if "help" in name or "status" in name
    ]
    return common.publish(
        f"Start-up: {asked.trials:,} trials x {PERIODS} periods in one run and in {asked.runs}, "
        f"medians of {asked.repeats} interleaved repeats",
        common.table(["command", "ms", "over bare Python, ms", "least, ms"], rows),
        goals,
        {"seconds": figures, "over_ms": over},
        asked.json,
        asked.check,
    )


def fill(root: Path, trials: int, runs: int) -> str:
    """A store of so many trials: half done, one in ten begun, four being trained (of the last run);
    that run.
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


def _one_run(store: Store, pool: ThreadPoolExecutor, asked: model.Spec, working: bool) -> str:
    data = "digits-64px-00000000"
    unfolded = plan.unfold(asked, data)
    run = Run(
        unfolded.run,
        asked,
        data,
        tuple(t.name for t in unfolded.trials),
        tuple(t.id for t in unfolded.tasks),
        time.time(),
        {"orch": "benchmark"},
    )
    _all(
        pool,
        lambda trial: store.save_trial(trial, list(unfolded.target_epochs), run.name),
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
        store,
        task,
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
    """An attempt that ended well, and what it published."""
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
            "micro_batches": 1,
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
    store.publish(task, {"files": places, **facts}, made.work_folder, lambda: True)
    shutil.rmtree(made.work_folder)
    made.finish("done")


def _running(store: Store, run: Run, trial: str) -> None:
    """A training under way: its attempt, what its worker last said, and the worker's sign of life.

    Its clock is an hour ahead, so that the worker is alive whenever the store is looked at.
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


def _timing(words: list[str], folder: Path) -> Callable[[], float]:
    """A process from start to end, in seconds; what Python compiles is kept, as it is where orch is
    installed.
    """
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")

    def start() -> None:
        subprocess.run(words, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    return lambda: common.timed(start)


if __name__ == "__main__":
    sys.exit(main())
