"""Whatever a colleague puts into a shared store, no file of ours outside it is written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.users import COLLEAGUE, as_user, open_folder, require_root

from jobs import atomic, permissions
from jobs.errors import AccessDenied, BadCheckpoint, LeaseLost, WorkerLost
from jobs.store.file_publishing import publish_file
from jobs.store.store import Store
from jobs.task import Task
from workers import lease
from workers.devices.discovery import Device
from workers.execution import attempts
from workers.execution.context import task_context
from workers.execution.failures import give_up, settle_failure
from workers.lease import keep_renewed
from workers.lease_expiry import LeaseTracker
from workers.process import child_main
from workers.worker import Worker

PREPARE = Task("prepare", "digits")
OURS = "do not touch"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can write, with a file of ours."""
    with open_folder() as made:
        (made / "ours").write_text(OURS)
        yield made


def test_a_log_is_never_written_through_a_link(folder: Path) -> None:
    """Neither a link that leads somewhere, nor one that leads nowhere, nor a second name."""
    (folder / "0001.log").symlink_to(folder / "ours")
    (folder / "0002.log").symlink_to(folder / "new")
    (folder / "0003.log").hardlink_to(folder / "ours")
    for name in ("0001.log", "0002.log", "0003.log"):
        with pytest.raises(AccessDenied, match=name):
            child_main._write_to(str(folder / name))

    assert (folder / "ours").read_text() == OURS
    assert not (folder / "new").exists()


def test_a_log_of_another_user_is_not_appended_to(folder: Path) -> None:
    """It may be a file that its owner reads as something else."""
    as_user(COLLEAGUE, lambda: (folder / "0001.log").write_text("theirs"))
    (folder / "0001.log").chmod(0o666)

    with pytest.raises(AccessDenied, match=f"a file of user {COLLEAGUE} is in its place"):
        child_main._write_to(str(folder / "0001.log"))


def test_a_lease_that_was_replaced_by_a_link_is_lost(folder: Path) -> None:
    """The file that the link names keeps its contents."""
    store = Store(folder / "store")
    held = LeaseTracker(store).claim("k", "w")
    assert held is not None
    path = store.lease_folder("k") / "00000001.json"
    path.unlink()
    path.symlink_to(folder / "ours")

    assert held.renew() is False
    held.release()
    assert (folder / "ours").read_text() == OURS


@pytest.mark.parametrize("place", ["leases", "attempts"])
def test_a_folder_that_a_colleague_made_a_link_is_not_entered(place: str, folder: Path) -> None:
    """A link of ours is: the folder may lie on a larger disk."""
    store = Store(folder / "store")
    path = store.lease_folder(PREPARE.lease_key)
    path = path if place == "leases" else store.attempts_folder(PREPARE)
    path.parent.mkdir(parents=True)
    (folder / "elsewhere").mkdir()
    path.parent.chmod(0o777)

    def act() -> None:
        if place == "leases":
            assert LeaseTracker(store).claim(PREPARE.lease_key, "w") is not None
        else:
            attempts.begin(attempts.read_history(store, PREPARE), {"worker": "w"})

    as_user(COLLEAGUE, lambda: path.symlink_to(folder / "elsewhere"))
    with pytest.raises(AccessDenied, match=f"a link that user {COLLEAGUE} made"):
        act()
    left = list((folder / "elsewhere").iterdir())
    path.unlink()
    path.symlink_to(folder / "elsewhere")
    act()

    assert left == []
    assert list((folder / "elsewhere").iterdir()) != []


def test_a_record_of_another_user_is_replaced_not_written_into(folder: Path) -> None:
    """An attempt of a lost worker is recorded as lost by whoever begins the next."""
    require_root()
    store = Store(folder / "store")
    first = attempts.begin(attempts.read_history(store, PREPARE), {"worker": "theirs"})
    path = store.attempts_folder(PREPARE) / "0001.json"
    os.chown(path, COLLEAGUE, COLLEAGUE)
    path.with_name("kept").hardlink_to(path)
    first.finish("lost", WorkerLost("it was lost."))

    assert atomic.read_json(path)["state"] == "lost"
    assert atomic.read_json(path.with_name("kept"))["state"] == "running"


def test_a_mark_is_not_created_through_a_link(folder: Path) -> None:
    """A target epoch is an empty file."""
    store, run = fill_store(
        folder / "store", backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    trial = store.load_trial(run.trials[0])
    (store.trial_folder(trial.name) / "marks" / "0099").symlink_to(folder / "new")
    store.save_trial(trial, [99], run.name)

    assert not (folder / "new").exists()


def test_a_link_request_sent_twice_is_our_own_publication(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS answers the second with "exists" although the first has succeeded."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    (folder / "draft").write_text("result")
    publish_file(folder / "draft", folder / "published", lambda: True)
    created = atomic.create_json(folder / "done.json", {"by": "us"})
    again = atomic.create_json(folder / "done.json", {"by": "them"})

    assert (created, again) == (True, False)
    assert atomic.read_json(folder / "done.json") == {"by": "us"}


def test_the_same_contents_in_another_file_are_not_our_own(folder: Path) -> None:
    """Only the file itself decides."""
    (folder / "draft").write_text("result")
    (folder / "published").write_text("result")

    assert not atomic.link_once(folder / "draft", folder / "published")
    with pytest.raises(LeaseLost):
        publish_file(folder / "draft", folder / "published", lambda: True)


def test_the_thread_that_renews_survives_every_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one lease, by any kind of error; the others are renewed all the same."""
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    keeper = lease._Keeper()
    monkeypatch.setattr(lease, "_KEEPER", keeper)
    store = Store(folder / "store")
    bad, good = (LeaseTracker(store).claim(key, "w") for key in ("bad", "good"))
    assert bad is not None
    assert good is not None
    errors = iter([OSError("stale"), ValueError("torn"), AccessDenied("no"), RuntimeError("?")])

    def fail(self: lease.Lease) -> bool:
        if self.key == "bad":
            raise next(errors, OSError("stale"))
        self.beats += 1
        return True

    monkeypatch.setattr(lease.Lease, "renew", fail)
    with keep_renewed(bad), keep_renewed(good):
        deadline = time.monotonic() + 10
        while good.beats < 6 and time.monotonic() < deadline:
            time.sleep(0.02)

    assert good.beats >= 6
    assert next(errors, None) is None


def test_a_thawed_worker_does_not_fail_what_another_holds(folder: Path) -> None:
    """Its error is recorded with its own attempt alone."""
    store, _ = fill_store(
        folder / "store", backbones=["scratch"], pixels=False, finished=lambda task: False
    )
    device = Device("cpu", "cpu", "", 1)
    tracker = LeaseTracker(store, ttl_s=0.0)
    worker = Worker(store, "b", "w", "h", device, None, tracker)
    task = Task("prepare", store.load_run(store.run_names()[0]).data)
    held = tracker.claim(task.lease_key, "w")
    assert held is not None
    attempt = attempts.begin(attempts.read_history(store, task), {"worker": "w"})
    other = None
    while other is None:
        other = tracker.claim(task.lease_key, "other")
    context = task_context(worker, task)
    ended = settle_failure(context, attempt, WorkerLost("x"), held)
    final = settle_failure(context, attempt, BadCheckpoint("x"), held)
    given_up = give_up(context, "too many", held)

    assert (ended, final, given_up) == ("failed", "failed", "lost")
    assert not store.has_failed(task)
    settle_failure(context, attempt, BadCheckpoint("x"), other)
    assert store.has_failed(task)


def test_links_of_ours_and_of_root_are_trusted(folder: Path) -> None:
    """A folder that is none and a path that is not there say nothing."""
    (folder / "a").symlink_to("ours")
    permissions.refuse_planted_link(folder / "a")
    permissions.refuse_planted_link(folder / "ours")
    permissions.refuse_planted_link(folder / "none" / "x")

    assert as_user(COLLEAGUE, lambda: permissions.refuse_planted_link(folder / "a")) is None
