"""Small networks side by side on one processor: `python benchmarks/slots.py`.

One worker trains the same four trials of digits (two small networks, two seeds) in one slot with
one thread, in one slot with all threads, and in as many slots as there are threads. Timed from the
first training's begin to the last end; starting the worker and preparing the images are left out.
Slots are to be faster than threads for one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from jobs import plan
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import embedded_redis
from workers.execution import attempts

ORCH = [sys.executable, "-m", "orchestrator.cli"]
PATIENCE_S = 120.0


def main() -> int:
    """Measure in turns, print, compare with the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        help="threads of a worker  [default: all]",
    )
    parser.add_argument("--repeats", type=int, default=2, help="turns that count  [default: 2]")
    parser.add_argument("--image-size", type=int, default=32, help="pixels a side  [default: 32]")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of a trial  [default: 1]")
    parser.add_argument(
        "--backbones", default="scratch,squeezenet", help="[default: scratch,squeezenet]"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--check", action="store_true", help="leave with 1 when the goal is missed")
    asked = parser.parse_args()
    digests: dict[str, set[str]] = {}

    def rival(slots: int, threads: int) -> float:
        return study(slots, threads, asked, digests.setdefault(str(threads // slots), set()))

    several = f"{asked.threads} slots x 1 thread"
    names = {
        "1 slot x 1 thread": (1, 1),
        f"1 slot x {asked.threads} threads": (1, asked.threads),
        several: (asked.threads, asked.threads),
    }
    figures = common.interleaved(
        {name: (lambda how=how: rival(*how)) for name, how in names.items()},
        asked.repeats,
        "slots",
        warm_ups=0,
    )
    middle = common.medians(figures)
    ratios = {name: common.paired(figures, name, several) for name in names}
    shown = common.table(
        ["worker", "seconds", f"times those of {several}"],
        [[name, middle[name], ratios[name]] for name in names],
    )
    same = len(digests["1"]) == 1
    shown += (
        f"\n\nweights of trials with one thread each are {'equal' if same else 'NOT EQUAL'} "
        f"in all runs"
    )
    goals = [
        common.Goal(f"{name}, in times of {several}", ratios[name], 1.0)
        for name in names
        if name != several
    ]
    missed = common.publish(
        "Small networks side by side",
        shown,
        goals,
        {"seconds": figures, "equal": same},
        asked.json,
        asked.check,
    )
    return max(missed, int(asked.check and not same))


def study(slots: int, threads: int, asked: argparse.Namespace, digests: set[str]) -> float:
    """Seconds that the study takes a worker, from its first training's begin to its last end."""
    with tempfile.TemporaryDirectory(prefix="orch-slots-") as place:
        folder = Path(place)
        server = embedded_redis.start(folder, folder / "s" / "redis.sock")
        environment = os.environ | {
            "ORCH_STORE": str(folder / "store"),
            "ORCH_BROKER_URL": server.url,
        }
        with (folder / "worker.log").open("wb") as log:
            command = [
                *ORCH,
                "worker",
                "--device",
                "cpu",
                "--slots",
                str(slots),
                "--threads",
                str(threads),
            ]
            worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            words = [word for name in asked.backbones.split(",") for word in ("--backbone", name)]
            subprocess.run(
                [
                    *ORCH,
                    "submit",
                    *words,
                    "--seeds",
                    "2",
                    "--periods",
                    "1",
                    "--epochs-per-period",
                    str(asked.epochs),
                    "--image-size",
                    str(asked.image_size),
                    "--no-workers",
                    "--name",
                    "slots",
                    "--precision",
                    "fp32",
                ],
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            store = Store(folder / "store")
            run = finished(store, worker)
        finally:
            worker.terminate()
            worker.wait(60)
            server.stop(10.0)
        digests.add(
            "".join(
                sorted(
                    str(
                        (store.done(Task("train", trial, asked.epochs)) or {}).get("weights_digest")
                    )
                    for trial in run.trials
                )
            )
        )
        return span(store, run)


def finished(store: Store, worker: subprocess.Popen[bytes]) -> Run:
    """The run, once all its tasks are done."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and worker.poll() is None:
        run = store.load_run("slots")
        if set(plan.task_states(store, run).values()) == {"done"}:
            return run
        time.sleep(0.2)
    raise SystemExit(f"the study was not done after {PATIENCE_S:.0f} s")


def span(store: Store, run: Run) -> float:
    """Seconds from the first begin to the last end of the run's trainings and evaluations."""
    tasks = [task for task in map(Task.parse, run.tasks) if task.kind != "prepare"]
    records = [record for task in tasks for record in attempts.records(store, task)]
    return float(
        max(each["finished_at"] for each in records) - min(each["started_at"] for each in records)
    )


if __name__ == "__main__":
    sys.exit(main())
