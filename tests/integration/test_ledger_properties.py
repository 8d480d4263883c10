"""Any order of deliveries, crashes and late attempts ends in the same ledger (hypothesis and small
enumeration).
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import atomic, readiness
from jobs.data.data_source import built_in
from jobs.errors import LeaseLost
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.run_creation import create_run
from workers.lease import Lease
from workers.lease_expiry import LeaseTracker

FATES = ("well", "dies holding", "dies publishing", "goes silent", "comes back")


class Clock:
    """A clock that moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def in_memory() -> Path:
    """A new folder, in memory where that is possible: these tests make many small files."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="orch-test-", dir=memory if memory.is_dir() else None))


class World:
    """One store, two machines that watch it, and the unfinished work of silent workers."""

    def __init__(self) -> None:
        self.folder = in_memory()
        self.store = Store(self.folder).open(create=True)
        self.clock = Clock()
        self.watches = [LeaseTracker(self.store, ttl_s=9.0, clock=self.clock) for _ in range(2)]
        self.silent: list[tuple[Task, Lease, Path]] = []
        self.published: list[str] = []
        self.serial = itertools.count()
        self.run = self._submit()

    def _submit(self) -> Run:
        asked = model.build(
            {"backbones": ["scratch", "squeezenet"], "periods": 2, "epochs_per_period": 1}
        )
        return create_run(self.store, asked, built_in("digits"))

    def deliver(self, task: Task, machine: int, fate: str) -> None:
        """A message arrives at a machine, whose worker then has this fate."""
        self.clock.now += 1.0
        if fate == "comes back" and self.silent:
            self._publish(*self.silent.pop(0))
            return
        if not readiness.is_ready(self.store, task):
            return
        lease = self.watches[machine].claim(task.lease_key, f"w{machine}")
        if lease is None:
            return
        work = self._work(task)
        if fate == "goes silent":
            self.silent.append((task, lease, work))
        elif fate == "dies publishing":
            self._publish(task, lease, work, torn=True)
        elif fate in ("well", "comes back"):
            self._publish(task, lease, work)
            lease.release()

    def _work(self, task: Task) -> Path:
        work = self.folder / "attempts" / task.id / f"{next(self.serial):04d}"
        work.mkdir(parents=True)
        for part in ("a", "b"):
            (work / part).write_text(f"{part} of {task.id}")
        return work

    def _publish(self, task: Task, lease: Lease, work: Path, torn: bool = False) -> None:
        if torn:
            (work / "b").unlink()
        places = {part: f"results/out/{task.id}.{part}" for part in ("a", "b")}
        held, was_done = lease.holds(), self.store.is_done(task)
        try:
            self.store.publish_result(task, {"files": places}, work, lease.holds)
        except LeaseLost:
            assert not held
        except FileNotFoundError:
            assert torn
        else:
            assert held
            if not was_done:
                self.published.append(task.id)

    def finish(self) -> None:
        """Time passes and correct workers do the rest."""
        for _ in range(400):
            ready = readiness.ready_tasks(self.store, self.run)
            if not ready:
                return
            for task in ready:
                self.deliver(task, 0, "well")

    def ledger(self) -> dict[str, Any]:
        """What is published: results and the contents of every file."""
        done = {t: self.store.done(Task.parse(t)) for t in self.run.tasks}
        return {
            "done": done,
            "files": {p.name: p.read_text() for p in (self.folder / "results" / "out").iterdir()},
        }


STEPS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 1), st.sampled_from(FATES)), max_size=25
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_any_order_of_crash_and_redelivery_ends_in_the_same_ledger(
    steps: list[tuple[int, int, str]],
) -> None:
    """Late, duplicate and lost messages; deaths before, during and after publishing; silent workers
    that continue.
    """
    world, calm = World(), World()
    try:
        for number, machine, fate in steps:
            world.deliver(Task.parse(world.run.tasks[number]), machine, fate)
        world.finish()
        for late in world.silent:
            world._publish(*late)
        calm.finish()

        assert world.ledger() == calm.ledger()
        assert sorted(world.published) == sorted(world.run.tasks)
    finally:
        shutil.rmtree(world.folder)
        shutil.rmtree(calm.folder)


ACTS = ("claim a", "claim b", "renew a", "renew b", "release a", "release b", "silence")


@pytest.mark.parametrize("first", ACTS[:2])
def test_no_order_of_acts_gives_a_lease_to_two(first: str) -> None:
    """Every sequence of five actions by two workers that starts with a claim: at most one holder,
    and tokens only rise.
    """
    for acts in itertools.product(ACTS, repeat=4):
        store, clock = Store(in_memory()), Clock()
        watches = {name: LeaseTracker(store, ttl_s=9.0, clock=clock) for name in "ab"}
        held: dict[str, list[Lease]] = {"a": [], "b": []}
        tokens = [0]
        for act in (first, *acts):
            _act(act, watches, held, clock, tokens)
            holders = [lease for leases in held.values() for lease in leases if lease.holds()]

            assert len(holders) <= 1, (first, *acts)
        assert tokens == sorted(set(tokens)), (first, *acts)
        shutil.rmtree(store.root, ignore_errors=True)


def _act(
    act: str,
    watches: dict[str, LeaseTracker],
    held: dict[str, list[Lease]],
    clock: Clock,
    tokens: list[int],
) -> None:
    verb, _, who = act.partition(" ")
    if verb == "silence":
        for watch in watches.values():
            watch.free("t")
        clock.now += 10.0
    elif verb == "claim":
        lease = watches[who].claim("t", who)
        if lease:
            tokens.append(lease.token)
            held[who].append(lease)
    else:
        for lease in held[who]:
            lease.renew() if verb == "renew" else lease.release()


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_is_a_task_id_that_leaves_the_store(text: str) -> None:
    """An id that parses names a file inside the ledger; everything else is rejected with the right
    error.
    """
    from jobs.errors import BadSpec

    store = Store(Path("/nowhere/store"))
    try:
        task = Task.parse(text)
    except BadSpec:
        return

    assert task.id == text or int(text.rsplit(".", 1)[1]) == task.epoch
    for path in (
        store.done_path(task),
        store.attempts_folder(task),
        store.lease_folder(task.lease_key),
    ):
        assert path.resolve().is_relative_to(store.root.resolve())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
        max_leaves=8,
    )
)
@settings(max_examples=100, deadline=None)
def test_what_is_created_is_created_once_and_read_back(value: Any) -> None:
    """`create_json` never overwrites; `read_json` gives back what was written."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x" / "fact.json"
        first, second = atomic.create_json(path, value), atomic.create_json(path, "other")

        assert (first, second) == (True, False)
        assert atomic.read_json(path) == value
        assert atomic.list_names(path.parent) == ["fact.json"]
