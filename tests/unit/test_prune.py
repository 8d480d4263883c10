"""What may be pruned from the store, and that nothing referenced is ever removed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import fill_store

from jobs import atomic, plan
from jobs.data.image_folder import built_in
from jobs.errors import BadSpec
from jobs.maintenance import prune, verify
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import cli
from workers.execution import attempts

BACKBONES = ("scratch", "squeezenet")
LATER_S = 2 * prune.DEAD_AFTER_S
LOSSES = st.lists(st.sampled_from([0.2, 0.5, 0.5, 0.9]), min_size=6, max_size=6)


class World:
    """Two runs that may share trials, in some state, with checkpoints at each epoch and some within
    epochs.
    """

    def __init__(self, periods: tuple[int, int], shared: bool) -> None:
        memory = Path("/dev/shm")
        self.store = Store(
            Path(tempfile.mkdtemp(prefix="orch-test-", dir=memory if memory.is_dir() else None))
        )
        self.store.open(create=True)
        of_run = [
            BACKBONES[: 2 - number] if shared else BACKBONES[number : number + 1]
            for number in (0, 1)
        ]
        self.runs = [
            self._submit(f"run-{number}", of_run[number], asked)
            for number, asked in enumerate(periods)
        ]
        self.trials = list(dict.fromkeys(trial for run in self.runs for trial in run.trials))

    def _submit(self, name: str, backbones: tuple[str, ...], periods: int) -> Run:
        asked = model.build(
            {"backbones": backbones, "periods": periods, "epochs_per_period": 2, "name": name}
        )
        source = built_in("digits")
        data = source.data_id(asked.data_settings())
        unfolded = plan.unfold(asked, data)
        self.store.save_data(data, source, asked.data_settings())
        for trial in unfolded.trials:
            self.store.save_trial(trial, list(unfolded.marks), name)
        run = Run(
            name,
            asked,
            data,
            tuple(t.name for t in unfolded.trials),
            tuple(t.id for t in unfolded.tasks),
            0.0,
            {},
        )
        self.store.save_run(run)
        atomic.write_json(self.store.done_path(Task("prepare", data)), {"files": []})
        return run

    def work(self, trial: str, trained: int, evaluated: int, losses: list[float]) -> None:
        """Train and evaluate some of a trial's periods, with a checkpoint at each epoch and within
        the next.
        """
        marks = self.store.marks(trial)
        for mark in marks[:trained]:
            path = self.checkpoint(trial, mark)
            self._record(
                Task("train", trial, mark),
                {"checkpoint": path.relative_to(self.store.root).as_posix()},
            )
        for mark in marks[: min(evaluated, trained)]:
            self._record(Task("evaluate", trial, mark), {})
        rows = [
            {"backbone": "x", "seed": 0, "period": 1, "epoch": epoch + 1, "val_loss": loss}
            for epoch, loss in enumerate(losses[: marks[-1]])
        ]
        tables.write_table(
            self.store.root / tables.table_folder("epochs", trial) / "e.parquet",
            tables.build_table("epochs", rows),
        )
        for epoch in range(1, 6):
            self.checkpoint(trial, epoch)
            self.checkpoint(trial, epoch, "-s000007")

    def _record(self, task: Task, facts: dict[str, str]) -> None:
        published = self.store.root / "results" / "out" / task.id
        published.parent.mkdir(parents=True, exist_ok=True)
        published.write_text(task.id)
        entry = {
            "path": published.relative_to(self.store.root).as_posix(),
            "sha256": atomic.file_digest(published),
            "bytes": published.stat().st_size,
        }
        atomic.write_json(self.store.done_path(task), {"files": [entry], **facts})

    def checkpoint(self, trial: str, epoch: int, middle: str = "") -> Path:
        """A checkpoint of a trial, written if it is not there."""
        path = self.store.trial_folder(trial) / "checkpoints" / f"e{epoch:04d}{middle}-t1.pt"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(path.name)
            atomic.write_json(
                path.with_suffix(".json"),
                {"sha256": atomic.file_digest(path), "bytes": path.stat().st_size},
            )
        return path

    def there(self, trial: str) -> set[str]:
        """The names of a trial's complete checkpoints."""
        return {
            path.name
            for path in (self.store.trial_folder(trial) / "checkpoints").glob("*.pt")
            if path.with_suffix(".json").exists()
        }

    def must_stay(
        self, trial: str, chosen: list[Run], keep: frozenset[str], losses: list[float]
    ) -> set[str]:
        """The checkpoints that must be kept, computed independently of `prune`."""
        marks = self.store.marks(trial)
        tasks = [Task(kind, trial, mark) for kind in ("train", "evaluate") for mark in marks]  # type: ignore[arg-type]
        wanted = [run for run in self.runs if trial in run.trials]
        if any(run not in chosen for run in wanted) or not all(
            self.store.is_done(task) for task in tasks
        ):
            return self.there(trial)
        best = min(marks, key=lambda mark: losses[mark - 1])
        epochs = ({best} if "best" in keep else set()) | ({marks[-1]} if "last" in keep else set())
        return {
            self.checkpoint(trial, epoch).name
            for epoch in epochs | (set(marks) if "periods" in keep else set())
        }


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
    st.lists(st.integers(0, 2), min_size=4, max_size=4),
    LOSSES,
    st.sets(st.sampled_from(prune.POLICIES), min_size=1),
    st.sets(st.integers(0, 1), min_size=1),
)
def test_nothing_that_is_referenced_ever_goes(
    periods: tuple[int, int],
    shared: bool,
    done: list[int],
    losses: list[float],
    keep: set[str],
    chosen: set[int],
) -> None:
    """Any runs in any state: results, open trials, other runs' trials and the policy's checkpoints
    are kept; the rest is removed. Kept checkpoints are readable by ready tasks, and every file of
    every run verifies.
    """
    world = World(periods, shared)
    try:
        for number, trial in enumerate(world.trials):
            world.work(trial, done[2 * number], done[2 * number + 1], losses)
        runs = [world.runs[number] for number in sorted(chosen)]
        ready = [plan.ready_tasks(world.store, run) for run in world.runs]
        stay = {
            trial: world.must_stay(trial, runs, frozenset(keep), losses) for trial in world.trials
        }
        for item in prune.find_prunable(world.store, runs, frozenset(keep), time.time() + LATER_S):
            prune.remove(item)

        assert {trial: world.there(trial) for trial in world.trials} == stay
        assert [plan.ready_tasks(world.store, run) for run in world.runs] == ready
        assert [
            f for run in world.runs for f in verify.verify_files(world.store, run) if f.problem
        ] == []
    finally:
        shutil.rmtree(world.store.root)


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Store, Run]:
    """A finished run with one checkpoint that a policy may remove."""
    store, run = fill_store(tmp_path / "store", backbones=["scratch"], periods=1, pixels=False)
    path = store.trial_folder(run.trials[0]) / "checkpoints" / "e0001-t1.pt"
    path.parent.mkdir()
    path.write_bytes(b"w" * 5_000_000)
    atomic.write_json(
        path.with_suffix(".json"), {"sha256": atomic.file_digest(path), "bytes": 5_000_000}
    )
    return store, run


def test_what_dead_attempts_left_goes_after_an_hour_and_not_before(
    filled: tuple[Store, Run],
) -> None:
    """A draft, a replay's folder, a checkpoint without a checksum, a work folder; nothing that has
    just changed.
    """
    store, run = filled
    checkpoints = store.trial_folder(run.trials[0]) / "checkpoints"
    left = [
        checkpoints / ".e0002.0123456789ab.draft",
        checkpoints / "e0002-t1.pt",
        store.root / ".replay-x" / "y",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 10)
    long_ago = time.time() - LATER_S
    for path in [*left[:2], left[2].parent]:
        os.utime(path, (long_ago, long_ago))
    young = {item.path for item in prune.find_prunable(store, [], frozenset(prune.POLICIES))}
    old = {
        item.path: item.bytes
        for item in prune.find_prunable(store, [], frozenset(prune.POLICIES), time.time() + LATER_S)
    }

    assert young == set(left[:2])
    assert set(old) >= {*left[:2], left[2].parent}
    assert old[left[2].parent] == 10


def test_the_work_folder_of_an_attempt_that_may_be_running_stays(filled: tuple[Store, Run]) -> None:
    """A training writes into it at its very end, many hours later; that of an earlier attempt is
    removed.
    """
    store, run = filled
    task = Task("evaluate", run.trials[0], 2)
    store.done_path(task).unlink()
    shutil.rmtree(store.attempts_folder(task))
    first = attempts.begin(store, task, {"worker": "w"})
    second = attempts.begin(store, task, {"worker": "w"})
    found = {
        item.path
        for item in prune.find_prunable(
            store, [run], frozenset(prune.POLICIES), time.time() + LATER_S
        )
    }
    second.finish("failed")
    ended = {
        item.path
        for item in prune.find_prunable(
            store, [run], frozenset(prune.POLICIES), time.time() + LATER_S
        )
    }

    assert first.work_folder in found
    assert second.work_folder not in found
    assert second.work_folder in ended


def test_a_policy_of_unknown_words_is_refused() -> None:
    """The message lists the accepted words."""
    for text in ("", "all", "best,worst"):
        with pytest.raises(BadSpec, match="best, last, periods"):
            prune.parse_policy(text)


def test_prune_shows_sizes_and_removes_nothing_in_a_dry_run(
    filled: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Then the same command without --dry-run removes it, then there is nothing to remove."""
    store, run = filled
    words = ["--store", str(store.root), "prune"]
    path = store.trial_folder(run.trials[0]) / "checkpoints" / "e0001-t1.pt"
    codes = [cli.run([*words, run.name, "--keep", "last", "--dry-run"])]
    shown, still = capsys.readouterr().out, path.exists()
    codes.append(cli.run([*words, "--json"]))
    told = json.loads(capsys.readouterr().out)
    codes.append(cli.run(words))
    nothing = capsys.readouterr().out

    assert codes == [0, 0, 0]
    assert still
    assert "5.0 MB" in shown
    assert f"prune {run.name} --keep last" in shown
    assert (told["removed"], told["bytes"]) == (True, 5_000_000)
    assert [item["path"] for item in told["items"]] == [path.relative_to(store.root).as_posix()]
    assert not path.exists()
    assert not path.with_suffix(".json").exists()
    assert nothing == "nothing to remove\n"


def test_prune_refuses_unknown_runs_and_policies(
    filled: tuple[Store, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is removed."""
    store, run = filled
    codes = [
        cli.run(["--store", str(store.root), "prune", *words])
        for words in (("nobody",), (run.name, "--keep", "everything"))
    ]
    said = capsys.readouterr().err

    assert codes == [2, 2]
    assert "has no run 'nobody'" in said
    assert "give one or more of best, last, periods" in said
