"""A worker that is older than a run takes none of it, and says so; a newer command sees it, too."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from support.fake_worker import fake_worker, saved_run

from jobs import atomic
from jobs.spec import keys_digest
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator import cli
from orchestrator.monitoring import heartbeats, workers
from workers import heartbeat
from workers.execution import execute
from workers.reconciler import Reconciler


def change(store: Store, run: Run, **values: Any) -> None:
    """Record a run as a later orch would."""
    path = store.run_path(run.name)
    record = json.loads(path.read_text())
    record["spec"] |= values.get("spec", {})
    record["provenance"] |= values.get("provenance", {})
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"spec": {"sharpness": 0.1}}, "has the setting 'sharpness' of a newer orch"),
        (
            {"spec": {"optimiser": "lion"}, "provenance": {"versions": {"orch": "99.1"}}},
            "was submitted by orch 99.1",
        ),
    ],
)
def test_an_older_worker_takes_none_of_a_run_and_says_so(
    values: dict[str, Any],
    words: str,
    tmp_path: Path,
    redis_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once in its log, and in its heartbeat, from which `orch workers` and `orch status` tell it;
    other runs go on.
    """
    store = Store(tmp_path / "store").open(create=True)
    run = saved_run(store)
    worker = fake_worker(store, redis_url)
    change(store, run, **values)
    reconciler = Reconciler(worker)
    with caplog.at_level(logging.WARNING):
        reconciler.round()
        reconciler.next_look = 0.0
        reconciler.round()
    heartbeat.write(worker)
    (listed,) = workers.list_workers(store)

    assert caplog.text.count(words) == 1
    assert execute.execute(worker, run.tasks[0]) != "done"
    assert words in (listed.paused or "")
    assert "upgrade orch" in (listed.paused or "").lower()
    assert not listed.outdated


@pytest.mark.parametrize(
    ("version", "keys", "outdated"),
    [
        ("", "", True),  # 0.1.0 tells neither
        ("0.0.9", "other", True),
        ("0.0.9", keys_digest.digest(), False),
        ("99.0", "other", False),
    ],
)
def test_a_worker_is_outdated_if_it_is_older_and_knows_other_keys(
    version: str, keys: str, outdated: bool, tmp_path: Path, redis_url: str
) -> None:
    """A newer worker knows all keys; one of another version with the same keys can do it all."""
    store = Store(tmp_path / "store").open(create=True)
    worker = fake_worker(store, redis_url)
    heartbeat.write(worker)
    path = store.heartbeat_path(worker.name)
    record = json.loads(path.read_text()) | {"version": version, "known_keys": keys}
    atomic.write_json(path, record)

    assert [workers.is_outdated(beat) for beat in heartbeats.read_heartbeats(store.root)] == [
        outdated
    ]


def test_status_and_workers_name_an_outdated_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do."""
    store = Store(tmp_path / "store").open(create=True)
    run = saved_run(store)
    record = {"name": "old-1", "host": "old", "pid": 1, "device": "cuda:0", "task": None}
    atomic.write_json(store.heartbeat_path("old-1"), record | {"at": time.time()})
    codes = [
        cli.run([*words, "--store", str(store.root)])
        for words in (["workers"], ["workers", "--json"], ["status", run.name])
    ]
    said = capsys.readouterr().out

    assert codes == [0, 0, 0]
    assert "older than this orch: takes no task of a run" in said
    assert '"outdated": true' in said
    assert "older than this orch: old-1." in said
    assert said.count("deploy/UPGRADE.md") == 2
