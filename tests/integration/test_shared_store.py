"""One store, several people: modes of files, and what one person's wrong modes stop."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import fill_store
from support.users import COLLEAGUE, as_user, open_folder

from jobs import atomic, permissions, readiness
from jobs.errors import AccessDenied, StoreUnusable
from jobs.settings import Settings
from jobs.store import tables
from jobs.store.store import Store
from orchestrator.doctor import checks
from orchestrator.monitoring import progress, status
from workers.devices.discovery import Device
from workers.execution import execute
from workers.lease_expiry import LeaseTracker
from workers.reconciler import Reconciler
from workers.worker import Worker


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with open_folder() as made:
        yield made


def a_store(folder: Path, *names: str) -> Store:
    """A store that everybody can write, with a submitted run of each name."""
    before = os.umask(0)
    try:
        for name in names:
            fill_store(
                folder / "store",
                backbones=["scratch"],
                seeds=len(name),
                pixels=False,
                finished=lambda task: task.kind == "prepare",
                name=name,
            )
    finally:
        os.umask(before)
    return Store(folder / "store")


def worker_of(store: Store) -> Worker:
    """A worker without a broker."""
    device = Device("cpu", "cpu", "", 1)
    return Worker(store, "redis+socket:///none", "w", "h", device, None, LeaseTracker(store))


def test_a_run_that_a_colleague_cannot_read_is_skipped_and_named(folder: Path) -> None:
    """Whoever has umask 077 stops nobody: not the lists, not the newest run, not a worker."""
    store = a_store(folder, "a", "bb")
    (store.root / "runs" / "bb").chmod(0o700)

    def look() -> dict[str, object]:
        unheld = Reconciler(worker_of(store))._find_unheld_tasks()
        found = checks._runs(Settings(store.root, None, None))
        return {
            "names": store.run_names(),
            "whole": [run.name for run in store.whole_runs(store.run_names())],
            "latest": store.latest_run().name,
            "subjects": sorted({task.kind for task in unheld}),
            "doctor": [(each.state, each.found, each.remedy) for each in found],
        }

    seen = as_user(COLLEAGUE, look)
    ((state, found, remedy),) = seen.pop("doctor")

    assert seen == {
        "names": ["a", "bb"],
        "whole": ["a"],
        "latest": "a",
        "subjects": ["train"],
    }
    assert (state, found) == ("broken", "unreadable: bb")
    assert f"{store.root}/runs/bb belongs to root (mode 0700)" in remedy
    assert f"Ask root to type: chmod -R g+rwX {store.root}/runs/bb" in remedy


@pytest.mark.parametrize("place", ["leases", "attempts", "trials"])
def test_wrong_modes_of_one_task_put_off_that_task_alone(place: str, folder: Path) -> None:
    """The worker goes on with the others, and tries that one again later."""
    store = a_store(folder, "bb")
    one, other = readiness.ready_tasks(store, store.load_run("bb"))[:2]
    closed = {
        "leases": store.lease_folder(one.lease_key),
        "attempts": store.attempts_folder(one),
        "trials": store.trial_folder(one.subject),
    }[place]
    closed.mkdir(parents=True, exist_ok=True)
    for parent in (closed.parent, closed.parent.parent):
        parent.chmod(0o777)
    closed.chmod(0o700)

    def look() -> dict[str, object]:
        worker = worker_of(store)
        ended = execute.execute(worker, one.id)
        unheld = Reconciler(worker)._find_unheld_tasks()
        return {
            "ended": ended,
            "paused": worker.pause.active,
            "put off": worker.put_off.active(one),
            "reasons": list(worker.put_off.reasons().values()),
            "other": other.id in [task.id for task in unheld],
            "one": one.id in [task.id for task in unheld],
        }

    seen = as_user(COLLEAGUE, look)
    reasons = seen.pop("reasons")

    assert seen == {
        "ended": "paused",
        "paused": False,
        "put off": True,
        "other": True,
        "one": False,
    }
    assert f"{closed} belongs to root" in reasons[0]


def test_the_status_of_the_other_runs_is_shown(folder: Path) -> None:
    """With the fault of the one, as for a damaged record."""
    store = a_store(folder, "a", "bb")
    store.run_path("bb").chmod(0o600)

    def look() -> list[str]:
        view = progress.read_view(store, 0.0)
        shown = []
        for name in store.run_names():
            try:
                shown.append(status.overview(store, store.outline(name), view).state)
            except AccessDenied as error:
                shown.append(str(error))
        return shown

    seen = as_user(COLLEAGUE, look)

    assert seen[0] == "waiting"
    assert f"{store.root}/runs/bb/run.json belongs to root (mode 0600)" in seen[1]


@pytest.mark.parametrize(
    ("shared", "files", "folders"),
    [
        ("group", 0o660, 0o770),
        ("all", 0o664, 0o775),
        (True, 0o660, 0o770),
        ("0640", 0o640, 0o750),
        ("umask", 0o600, 0o700),
        (None, 0o600, 0o700),
    ],
)
def test_a_shared_store_decides_the_modes_whatever_the_umask(
    shared: object, files: int, folders: int, folder: Path
) -> None:
    """Records, claims, tables and folders of a person with umask 077."""
    store = Store(folder)
    atomic.write_json(folder / "store.json", {"format": 1, "shared": shared})

    def write() -> list[list[int]]:
        os.umask(0o077)
        store.open(create=True)
        store.cancel("run")
        atomic.claim_json(folder / "leases" / "x" / "1.json", {})
        tables.write_table(folder / "t.parquet", tables.build_table("epochs", []))
        made = [folder / "leases" / "x" / "1.json", folder / "t.parquet"]
        made += [store.cancelled_path("run")]
        return [
            sorted({stat.S_IMODE(path.stat().st_mode) for path in made}),
            sorted(
                {stat.S_IMODE(path.parent.stat().st_mode) for path in made if path.parent != folder}
            ),
        ]

    assert as_user(0, write) == [[files], [folders]]


@pytest.mark.parametrize("value", ["groups", "0200", "0777", 3, "rw"])
def test_a_shared_mode_that_is_none_is_refused(value: object, tmp_path: Path) -> None:
    """With what it takes; never taken for the nearest one."""
    atomic.write_json(tmp_path / "store.json", {"format": 1, "shared": value})

    with pytest.raises(StoreUnusable, match="it takes group, all, umask"):
        Store(tmp_path).open()


def test_a_store_in_a_folder_made_for_a_group_is_shared_with_it(folder: Path) -> None:
    """Setgid and writable by the group, as the deployment guide makes it."""
    (folder / "team").mkdir()
    (folder / "team").chmod(0o2775)

    def create() -> list[object]:
        os.umask(0o077)
        team = Store(folder / "team" / "store").open(create=True)
        own = Store(folder / "own").open(create=True)
        found = [atomic.read_json(each.root / "store.json").get("shared") for each in (own, team)]
        return [*found, stat.S_IMODE(team.root.stat().st_mode)]

    assert as_user(0, create) == [None, "group", 0o2770]


def test_permission_errors_name_owner_path_and_remedy(folder: Path) -> None:
    """One's own file is mended by oneself."""
    (folder / "theirs").mkdir(mode=0o755)
    (folder / "theirs" / "a.json").write_text("{}")
    (folder / "theirs" / "a.json").chmod(0o600)
    (folder / "team").mkdir()
    (folder / "team").chmod(0o2775)

    def provoke() -> list[str]:
        (folder / "mine").mkdir()
        (folder / "mine").chmod(0o500)
        said = []
        for act in (
            lambda: atomic.read_json(folder / "theirs" / "a.json"),
            lambda: atomic.write_json(folder / "theirs" / "b.json", {}),
            lambda: atomic.create_json(folder / "mine" / "c.json", {}),
            lambda: atomic.create_json(folder / "team" / "d.json", {}),
        ):
            try:
                act()
            except AccessDenied as error:
                said.append(str(error))
        return said

    reading, writing, mine, joining = as_user(COLLEAGUE, provoke)

    assert f"{folder}/theirs/a.json belongs to root (mode 0600)" in reading
    assert f"{folder}/theirs belongs to root (mode 0755)" in writing
    assert f"Type: chmod -R u+rwX {folder}/mine" in mine
    assert f"{folder}/team belongs to root (mode 2775). Its group, root, may use it" in joining
    assert "sudo usermod -aG root " in joining


def test_access_denied_is_no_failure_of_the_task() -> None:
    """It uses up no attempts: another person can mend it while the run goes on."""
    from workers.execution import attempts
    from workers.process import child

    assert AccessDenied.retry
    assert AccessDenied.failure in attempts.NOT_COUNTED
    assert child.FAILURES["AccessDenied"] is AccessDenied
    assert permissions.user_name(COLLEAGUE) == f"user {COLLEAGUE}"
