"""How far a run is, as the store shows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.half_done import NOW, half_done_run, say, sign, training

from jobs import atomic
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.monitoring import heartbeats, status
from workers.process import identity


@pytest.fixture
def half(tmp_path: Path) -> tuple[Store, Run]:
    """Of two periods, only the first is trained and evaluated."""
    return half_done_run(tmp_path)


def test_a_run_nobody_works_on_waits(half: tuple[Store, Run]) -> None:
    """Epochs, period and accuracy come from what is published."""
    found = status.run_status(*half, now=NOW)
    trial = found.trials[0]

    assert (found.state, found.workers) == ("waiting", ())
    assert found.tasks == {"done": 5, "open": 4}
    assert (trial.state, trial.epochs_done, trial.epochs, trial.period, trial.periods) == (
        "waiting",
        2,
        4,
        2,
        2,
    )
    assert trial.accuracy_epoch == 2
    assert 0 < (trial.accuracy or 0) < 1


def test_a_task_that_was_just_spoken_of_is_running(half: tuple[Store, Run]) -> None:
    """Its epoch includes the earlier ones."""
    store, run = half
    say(
        store,
        training(run),
        phase="train",
        epoch=4,
        epochs=4,
        done=10,
        total=40,
        loss=0.5,
        images_per_second=99.0,
    )

    found = status.run_status(store, run, now=NOW)
    trial = found.trials[0]

    assert (found.state, trial.state, trial.epochs_done) == ("running", "running", 3)
    assert [(p.phase, p.loss, p.worker) for p in trial.progress] == [("train", 0.5, "alpha-1")]
    assert found.trials[1].state == "waiting"


def test_old_words_of_a_dead_worker_do_not_count(half: tuple[Store, Run]) -> None:
    """Neither its progress nor its heartbeat."""
    store, run = half
    say(store, training(run), age_s=120, phase="train", epoch=4)

    found = status.run_status(store, run, now=NOW)

    assert (found.state, found.workers, found.trials[0].progress) == ("waiting", (), ())


def test_a_living_worker_that_turned_to_something_else_does_not_count(
    half: tuple[Store, Run],
) -> None:
    """Its last progress may be seconds old."""
    store, run = half
    say(store, training(run), phase="train", epoch=4)
    sign(store, None)

    found = status.run_status(store, run, now=NOW)

    assert found.trials[0].progress == ()
    assert len(found.workers) == 1


def test_a_task_that_a_worker_signs_for_runs_before_its_first_word(half: tuple[Store, Run]) -> None:
    """Loading may take a while."""
    store, run = half
    sign(store, training(run).id)

    found = status.run_status(store, run, now=NOW)

    assert [(p.phase, p.worker) for p in found.trials[0].progress] == [(None, "alpha-1")]


def test_a_worker_that_was_killed_here_is_not_alive_any_more(half: tuple[Store, Run]) -> None:
    """Its process is checked, not only its recent heartbeat; another process with the same number
    does not count.
    """
    store, run = half
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    marked = identity.process_identity(child.pid)
    say(store, training(run), phase="train", epoch=4)
    path = store.root / "workers" / "alpha-1.json"
    atomic.write_json(path, {**atomic.read_json(path), "process": marked})  # type: ignore[dict-item]
    alive = status.run_status(store, run, now=NOW)
    child.kill()
    child.wait()
    killed = status.run_status(store, run, now=NOW)

    assert marked is not None
    assert (len(alive.workers), alive.state) == (1, "running")
    assert (killed.workers, killed.state, killed.trials[0].progress) == ((), "waiting", ())
    assert identity.has_ended(f"{identity.process_identity()}0")
    assert not identity.has_ended(str(identity.process_identity()))


@pytest.mark.parametrize("process", [None, "another-boot pid:[1] 1 1", "rubbish", ""])
def test_a_worker_of_another_machine_is_judged_by_its_sign(
    half: tuple[Store, Run], process: str | None
) -> None:
    """Its processes cannot be seen from here, nor those of another container."""
    store, run = half
    sign(store, training(run).id)
    path = store.root / "workers" / "alpha-1.json"
    atomic.write_json(path, {**atomic.read_json(path), "process": process})  # type: ignore[dict-item]

    assert len(status.run_status(store, run, now=NOW).workers) == 1


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (["e0003-a1"], 3),
        (["e0003-a1", "e0003-s000120-a1", "e0006-b1"], 3),
        (["e0004-s000007-a1"], 4),
        ([], 2),
    ],
)
def test_a_cancelled_trial_shows_the_epochs_that_its_checkpoints_keep(
    half: tuple[Store, Run], kept: list[str], shown: int
) -> None:
    """Not only those of its last target epoch; epochs of a longer run beyond this one's end do not
    count.
    """
    store, run = half
    task = training(run)
    for name in kept:
        atomic.write_json(store.trial_folder(task.subject) / "checkpoints" / f"{name}.json", {})
    store.attempts_folder(task).mkdir(parents=True)
    store.cancel(run.name)

    found = status.run_status(store, run, now=NOW)

    assert [trial.epochs_done for trial in found.trials] == [shown, 2]


def test_a_torn_sign_of_life_is_passed_over(half: tuple[Store, Run]) -> None:
    """Reading never fails because of what another process is writing."""
    store, _ = half
    (store.root / "workers").mkdir()
    (store.root / "workers" / "torn.json").write_text('{"name": "to')

    assert heartbeats.read_heartbeats(store.root) == []


def test_a_run_is_over_when_the_rest_is_blocked_by_a_failure(tmp_path: Path) -> None:
    """It failed; the failure has its class, message and log."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch"],
        periods=2,
        pixels=False,
        finished=lambda task: task.epoch <= 2,
    )
    failing = training(run)
    atomic.write_json(
        store.failed_path(failing),
        {"failure": "out-of-memory", "message": "too little.", "attempt": 3},
    )

    found = status.run_status(store, run, now=NOW)

    assert (found.state, found.over, found.exit_code) == ("failed", True, 1)
    assert [(f.failure, f.message) for f in found.failures] == [("out-of-memory", "too little.")]
    assert found.failures[0].log == str(store.attempts_folder(failing) / "0003.log")


def test_a_run_is_done_when_all_of_it_is_published(tmp_path: Path) -> None:
    """Every trial done, exit code 0."""
    found = status.run_status(*fill_store(tmp_path, backbones=["scratch"], pixels=False))

    assert (found.state, found.exit_code) == ("done", 0)
    assert [(trial.state, trial.epochs_done) for trial in found.trials] == [("done", 6)]


def test_a_cancelled_run_is_over_but_not_well(half: tuple[Store, Run]) -> None:
    """Waiting for it ends with exit code 1."""
    store, run = half
    store.cancel(run.name)

    found = status.run_status(store, run)

    assert (found.state, found.over, found.exit_code) == ("cancelled", True, 1)
