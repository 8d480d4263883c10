"""Attempts as a user sees them, and what is retried."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.errors import StorageFull, WorkerLost
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from orchestrator.monitoring.attempts import attempts_of_run
from orchestrator.submission import run_creation
from workers.execution import attempts
from workers.messaging import broker

WHO = {"worker": "alpha-1", "host": "alpha", "device": "cpu"}


@pytest.fixture
def half(tmp_path: Path) -> tuple[Store, Run]:
    """Two backbones and one period; nothing but the data set is done."""
    return fill_store(
        tmp_path / "store",
        backbones=["scratch", "squeezenet"],
        periods=1,
        pixels=False,
        finished=lambda task: task.kind == "prepare",
    )


def give_up(store: Store, task: Task, times: int = attempts.MAX_ATTEMPTS) -> None:
    """Fail a task as a worker would, until it is quarantined."""
    for _ in range(times):
        attempts.begin(attempts.read_history(store, task), WHO).finish(
            "failed", WorkerLost("the child was ended by SIGKILL.")
        )
    atomic.create_json(
        store.failed_path(task),
        {
            "failure": "worker-lost",
            "message": "the child was ended by SIGKILL. (the last of 5 attempts)",
            "attempt": times,
            "log": str(store.attempts_folder(task) / f"{times:04d}.log"),
            "quarantined": True,
        },
    )


def orch(capsys: pytest.CaptureFixture[str], store: Store, *words: str) -> tuple[int, str]:
    """Run a command; returns its exit code and output."""
    code = cli.run(["--store", str(store.root), *words])
    return code, capsys.readouterr().out


def test_attempts_are_listed_in_the_order_in_which_they_began(
    half: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """State, class of failure, worker and time; message and log of an attempt that was not done."""
    store, run = half
    first, second = Task("train", run.trials[0], 2), Task("train", run.trials[1], 2)
    attempts.begin(attempts.read_history(store, second), WHO).finish(
        "failed", StorageFull("cannot write x: no space.\x1b[31m")
    )
    attempts.begin(attempts.read_history(store, first), WHO)
    attempts.begin(attempts.read_history(store, second), WHO).finish("done")
    found = [each for each in attempts_of_run(store, run) if each.task.startswith("train")]
    code, text = orch(capsys, store, "status", run.name, "--attempts")
    told = json.loads(orch(capsys, store, "status", run.name, "--attempts", "--json")[1])

    assert [(each.task, each.attempt, each.state) for each in found] == [
        (second.id, 1, "failed"),
        (first.id, 1, "running"),
        (second.id, 2, "done"),
    ]
    assert code == 0
    assert "storage-full" in text
    assert "alpha-1" in text
    assert "\x1b" not in text
    assert (
        f"each attempt has a log: {store.root / 'attempts'}/TASK/ATTEMPT.log, such as "
        f"{second.id}/0001.log" in text
    )
    assert [each["attempt"] for each in told["attempts"] if each["task"] == second.id] == [1, 2]


def test_what_a_silent_worker_had_begun_is_shown_as_lost(half: tuple[Store, Run]) -> None:
    """Its record says "running" until another worker continues the task. It ended at its last
    heartbeat.
    """
    store, run = half
    first, second = (Task("train", trial, 2) for trial in run.trials)
    attempts.begin(attempts.read_history(store, first), WHO)
    attempts.begin(attempts.read_history(store, second), WHO | {"worker": "beta-1"})
    for name, silent_s in (("alpha-1", 100.0), ("beta-1", 1.0)):
        atomic.write_json(
            store.root / "workers" / f"{name}.json",
            {
                "name": name,
                "host": "elsewhere",
                "pid": 1,
                "device": "cpu",
                "task": None,
                "at": time.time() - silent_s,
            },
        )
    began = attempts.records(store, first)[0].started_at
    atomic.write_json(
        store.progress_path(first),
        {"attempt": 1, "worker": "alpha-1", "device": "cpu", "at": began + 3.0},
    )
    silent, alive = (each for each in attempts_of_run(store, run) if each.task.startswith("train"))

    assert (silent.task, silent.state, silent.failure, silent.finished_at) == (
        first.id,
        "lost",
        "worker-lost",
        began + 3.0,
    )
    assert "1m 40s ago" in str(silent.message)
    assert (alive.task, alive.state, alive.finished_at) == (second.id, "running", None)


def test_a_message_that_comes_again_is_told_once(
    half: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Five attempts that failed alike are five lines and one message."""
    store, run = half
    give_up(store, Task("train", run.trials[0], 2))
    text = orch(capsys, store, "status", run.name, "--attempts")[1].partition("attempt  state")[2]

    assert text.count("the child was ended by SIGKILL") == 1
    assert text.count("same message") == 4
    assert text.count(".log") == 2


def test_a_quarantined_task_is_called_so_with_its_log(
    half: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure that another attempt cannot fix is not quarantined."""
    store, run = half
    give_up(store, Task("train", run.trials[0], 2))
    atomic.create_json(
        store.failed_path(Task("train", run.trials[1], 2)),
        {"failure": "loss-not-finite", "message": "the loss became nan", "attempt": 1},
    )
    _, text = orch(capsys, store, "status", run.name)

    assert f"quarantined: train.{run.trials[0]}.0002 (worker-lost)" in text
    assert f"log: {store.root / 'attempts'}/train.{run.trials[0]}.0002/0005.log" in text
    assert f"failed: train.{run.trials[1]}.0002 (loss-not-finite)" in text
    assert f"retry {run.name}" in text


def test_what_is_forgiven_may_be_tried_at_once_and_as_often_as_new(half: tuple[Store, Run]) -> None:
    """Five failures before a retry do not make the next one the last; only later ones count."""
    store, run = half
    task = Task("train", run.trials[0], 2)
    give_up(store, task)
    before = (
        len(attempts.read_history(store, task).counted_failures()),
        attempts.read_history(store, task).must_wait(),
    )
    retried = run_creation.reset_failures(store, run)
    after = (
        len(attempts.read_history(store, task).counted_failures()),
        attempts.read_history(store, task).must_wait(),
    )
    attempts.begin(attempts.read_history(store, task), WHO).finish("failed", WorkerLost("again"))

    assert before == (5, True)
    assert retried == [task]
    assert after == (0, False)
    assert len(attempts.read_history(store, task).counted_failures()) == 1
    assert len(attempts.records(store, task)) == 6


def test_retry_sends_just_what_had_failed(
    half: tuple[Store, Run],
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other trial's training is ready too, and is left to the workers. Without a failure
    nothing is enqueued.
    """
    store, run = half
    monkeypatch.setenv("ORCH_BROKER_URL", f"{redis_url}?virtual_host=7")
    task = Task("train", run.trials[1], 2)
    give_up(store, task)
    code, said = orch(capsys, store, "retry", run.name, "--json")
    told = json.loads(said)
    waiting = broker.queue_length(f"{redis_url}?virtual_host=7", store=store.id)
    again, nothing = orch(capsys, store, "retry", run.name)

    assert (code, again) == (0, 0)
    assert told["retried"] == told["sent"] == [task.id]
    assert waiting == 1
    assert not store.failed_path(task).exists()
    assert f"no task of run {run.name} has failed" in nothing


def test_a_torn_forgiveness_forgives_nothing(half: tuple[Store, Run]) -> None:
    """And breaks nothing."""
    store, run = half
    task = Task("train", run.trials[0], 2)
    give_up(store, task)
    for text in ("{", "[]", '{"attempt": "x"}', "7"):
        (store.attempts_folder(task) / attempts.RESET_FILE).write_text(text)

        assert len(attempts.read_history(store, task).counted_failures()) == 5
