"""The door of the room: one order in, one outcome out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.store import Store
from jobs.task import Order, Task
from models.data.prepare import prepare_folder
from models.device import out_of_memory
from models.evaluate import evaluate
from models.progress import Tell
from models.train import train

Outcome = dict[str, Any]


def main(order: dict[str, Any], tell: Tell, should_stop: Callable[[], bool]) -> Outcome:
    """Do the task an order names (see `docs/architecture.md` for what is told and returned).

    Raises an `OrchError` for all that can be explained, running out of memory among it.
    """
    given = Order(**order)
    doors = {"prepare": prepare, "train": train, "evaluate": evaluate}
    try:
        return doors[Task.parse(given.task).kind](given, tell, should_stop)
    except (MemoryError, RuntimeError) as error:
        explained = out_of_memory(error)
        if explained is None:
            raise
        raise explained from error


def prepare(order: Order, tell: Tell, should_stop: Callable[[], bool]) -> Outcome:
    """Prepare the data set the order names into its work folder."""
    store, data = Store(Path(order.store)), Task.parse(order.task).subject
    source, settings = store.load_data(data)
    facts = prepare_folder(
        source, settings, Path(order.work_folder), processes=order.threads, tell=tell, should_stop=should_stop
    )
    place = store.data_folder(data).relative_to(store.root).as_posix()
    return {"files": {name: f"{place}/{name}" for name in ("images.npy", "manifest.parquet")}, **facts}
