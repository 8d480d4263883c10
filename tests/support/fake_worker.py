"""A recorded run, and a worker whose children do the fake work."""

from __future__ import annotations

from jobs.data.data_source import built_in
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.submission.run_creation import create_run
from workers.devices.discovery import Device
from workers.lease_expiry import LeaseTracker
from workers.worker import Worker


def saved_run(store: Store) -> Run:
    """A run of one backbone with two periods, recorded and not yet worked on."""
    asked = model.build({"backbones": ["scratch"], "periods": 2, "epochs_per_period": 3})
    return create_run(store, asked, built_in("digits"))


def fake_worker(store: Store, redis_url: str, name: str = "w1") -> Worker:
    """A worker whose children do what `support.fake_work` says."""
    return Worker(
        store,
        redis_url,
        name,
        "host",
        Device("cpu", "cpu", "", 1),
        None,
        LeaseTracker(store),
        entry="support.fake_work:main",
    )


def behave(worker: Worker, words: str) -> None:
    """The behaviour of the next children, one word each."""
    (worker.store.root / "behave").write_text(words)
