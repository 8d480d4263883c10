"""A study of many trials, and the heartbeats of many workers."""

from __future__ import annotations

from typing import Any

from jobs import atomic
from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.run_creation import create_run
from support.peer_heartbeats import heartbeat_of
from workers.scheduling.handover import Handover

TRIALS = 60


def study(store: Store, seeds: int = TRIALS, **asked: Any) -> Run:
    """A run of many trials whose images are prepared."""
    spec = model.build(
        {"backbones": ["scratch"], "seeds": seeds, "periods": 1, "epochs_per_period": 1, **asked}
    )
    run = create_run(store, spec, built_in("digits"))
    atomic.write_json(store.done_path(Task("prepare", run.data)), {}, durable=False)
    return run


def sign(store: Store, number: int, at: float = 0.0) -> None:
    """The heartbeats of so many workers."""
    for each in range(number):
        hand = Handover(store, f"w{each:03d}", "far", "cpu", 1)
        path = store.heartbeat_path(hand.name)
        atomic.write_json(path, heartbeat_of(hand, at), durable=False)
