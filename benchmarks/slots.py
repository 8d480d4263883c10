"""Small networks side by side on one processor: `python benchmarks/slots.py`.

One worker trains the same four trials of digits: two small networks, two seeds. It does so in one
slot with one thread, in one slot with all threads, and in as many slots as there are threads. The
time runs from the first training's start to the last task's end; starting the worker and preparing
the images do not count. Goal: several slots are faster than one slot with all threads.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from jobs import readiness
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.local import embedded_redis
from workers.execution import attempts

ORCH = [sys.executable, "-m", "orchestrator.cli"]
PATIENCE_S = 120.0


def main() -> int:
    """Measure in turns, print the table and the goals, and return the exit code."""
    options = _parse_options()
    several = f"{options.threads} slots x 1 thread"
    workers = {
        "1 slot x 1 thread": (1, 1),
        f"1 slot x {options.threads} threads": (1, options.threads),
        several: (options.threads, options.threads),
    }
    digests: dict[str, set[str]] = {}
    figures = common.interleaved(
        {
            name: partial(study, slots, threads, options, digests)
            for name, (slots, threads) in workers.items()
        },
        options.repeats,
        "slots",
        warm_ups=0,
    )
    ratios = {name: common.paired(figures, name, several) for name in workers}
    same = len(digests["1"]) == 1
    missed = common.publish(
        "Small networks side by side",
        _table(figures, ratios, several, same),
        [
            common.Goal(f"{name}, in times of {several}", ratios[name], 1.0)
            for name in workers
            if name != several
        ],
        {"seconds": figures, "equal": same},
        options.json,
        options.check,
    )
    return max(missed, int(options.check and not same))


def _parse_options() -> argparse.Namespace:
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
    return parser.parse_args()


def _table(
    figures: dict[str, list[float]], ratios: dict[str, float], several: str, same: bool
) -> str:
    median = common.medians(figures)
    shown = common.table(
        ["worker", "seconds", f"times those of {several}"],
        [[name, median[name], ratios[name]] for name in figures],
    )
    return (
        f"{shown}\n\nweights of trials with one thread each are {'equal' if same else 'NOT EQUAL'} "
        f"in all runs"
    )


def study(
    slots: int, threads: int, options: argparse.Namespace, digests: dict[str, set[str]]
) -> float:
    """Seconds from the first training's start to the last task's end, with one worker.

    Adds the digest of all weights to `digests`, under the number of threads per slot.
    """
    with tempfile.TemporaryDirectory(prefix="orch-slots-") as place:
        folder = Path(place)
        server = embedded_redis.start(folder, folder / "s" / "redis.sock")
        environment = os.environ | {
            "ORCH_STORE": str(folder / "store"),
            "ORCH_BROKER_URL": server.url,
        }
        worker = _start_worker(slots, threads, folder / "worker.log", environment)
        store = Store(folder / "store")
        try:
            _submit(options, environment)
            run = finished(store, worker)
        finally:
            worker.terminate()
            worker.wait(60)
            server.stop(10.0)
        digests.setdefault(str(threads // slots), set()).add(_digest(store, run, options.epochs))
        return span(store, run)


def _start_worker(
    slots: int, threads: int, log: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    words = ["worker", "--device", "cpu", "--slots", str(slots), "--threads", str(threads)]
    with log.open("wb") as output:
        return subprocess.Popen([*ORCH, *words], env=environment, stdout=output, stderr=output)


def _submit(options: argparse.Namespace, environment: dict[str, str]) -> None:
    command = [*ORCH, "submit"]
    for name in options.backbones.split(","):
        command += ["--backbone", name]
    command += ["--seeds", "2", "--periods", "1", "--epochs-per-period", str(options.epochs)]
    command += ["--image-size", str(options.image_size), "--precision", "fp32"]
    command += ["--no-workers", "--name", "slots"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _digest(store: Store, run: Run, epochs: int) -> str:
    """The digests of all trials' weights, sorted and joined."""
    outcomes = [store.done(Task("train", trial, epochs)) for trial in run.trials]
    return "".join(sorted(str(outcome and outcome.weights_digest) for outcome in outcomes))


def finished(store: Store, worker: subprocess.Popen[bytes]) -> Run:
    """Wait until all tasks of the run are done; returns the run."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and worker.poll() is None:
        run = store.load_run("slots")
        if set(readiness.task_states(store, run).values()) == {"done"}:
            return run
        time.sleep(0.2)
    raise SystemExit(f"the study was not done after {PATIENCE_S:.0f} s")


def span(store: Store, run: Run) -> float:
    """Seconds from the first start to the last end of the run's trainings and evaluations."""
    tasks = [task for task in map(Task.parse, run.tasks) if task.kind != "prepare"]
    records = [record for task in tasks for record in attempts.records(store, task)]
    return float(
        max(each.finished_at or 0.0 for each in records)
        - min(each.started_at or 0.0 for each in records)
    )


if __name__ == "__main__":
    sys.exit(main())
