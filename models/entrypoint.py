"""Entry point of a child: one task request in, one task result out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.store.store import Store
from jobs.task import Task, TaskRequest
from models.bench.bench import bench
from models.data.prepare_data_set import prepare_folder
from models.evaluation.evaluate import evaluate
from models.evaluation.rank import rank
from models.networks.check_trials import check_trials
from models.runtime.device import explained
from models.runtime.progress import Tell
from models.training.train import train

ChildResult = dict[str, Any]


def main(request: dict[str, Any], tell: Tell, should_stop: Callable[[], bool]) -> ChildResult:
    """Execute the task of a request (see `docs/architecture.md` for messages and result).

    Raises an `OrchError` for every explained failure, out of memory and device failures included.
    """
    given = TaskRequest(**request)
    doors = {"prepare": prepare, "train": train, "evaluate": evaluate, "rank": rank, "bench": bench}
    try:
        return doors[Task.parse(given.task).kind](given, tell, should_stop)
    except (MemoryError, RuntimeError, AssertionError) as error:
        reason = explained(error, given.alone)
        if reason is None:
            raise
        raise reason from error


def prepare(request: TaskRequest, tell: Tell, should_stop: Callable[[], bool]) -> ChildResult:
    """Prepare the data set of the request in its work folder.

    First it checks the networks of the waiting runs, and their pretrained weights. All training
    comes after this task, so what is wrong is reported before any begins. Raises a `RequestError`
    or `BadWeights`.
    """
    store, data = Store(Path(request.store)), Task.parse(request.task).subject
    source, settings = store.load_data(data)
    trials = [
        store.load_trial(name)
        for run in store.wanted_by(Task.parse(request.task))
        for name in run.trials
    ]
    used = [trial for trial in trials if trial.data == data]
    check_trials(store, used, len(source.classes), settings.image_size, request.weights_dir)
    facts = prepare_folder(
        source,
        settings,
        Path(request.work_folder),
        processes=request.threads,
        tell=tell,
        should_stop=should_stop,
    )
    return {"files": store.prepared_files(data), **facts}
