"""Whatever happened before, pruning never removes a file that is referenced."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import atomic, readiness
from jobs.data.data_source import built_in
from jobs.maintenance import prune, verify
from jobs.spec import model
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.submission.run_creation import create_run

BACKBONES = ("scratch", "squeezenet")
LATER_S = 2 * prune.DEAD_AFTER_S
LOSSES = st.lists(st.sampled_from([0.2, 0.5, 0.5, 0.9]), min_size=6, max_size=6)


class World:
    """Two runs that may share trials, in some state, with checkpoints at every epoch and some in
    the middle.
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
        run = create_run(self.store, asked, built_in("digits"))
        atomic.write_json(self.store.done_path(Task("prepare", run.data)), {"files": []})
        return run

    def work(self, trial: str, trained: int, evaluated: int, losses: list[float]) -> None:
        """Train and evaluate some of a trial's periods, each epoch and the middle of the next with
        a checkpoint.
        """
        marks = self.store.target_epochs(trial)
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
        marks = self.store.target_epochs(trial)
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
    stay; the rest goes.

    What stays can be read by the tasks that are ready, and every file of every run is whole.
    """
    world = World(periods, shared)
    try:
        for number, trial in enumerate(world.trials):
            world.work(trial, done[2 * number], done[2 * number + 1], losses)
        runs = [world.runs[number] for number in sorted(chosen)]
        ready = [readiness.ready_tasks(world.store, run) for run in world.runs]
        stay = {
            trial: world.must_stay(trial, runs, frozenset(keep), losses) for trial in world.trials
        }
        for item in prune.find_prunable(world.store, runs, frozenset(keep), time.time() + LATER_S):
            prune.remove(item)

        assert {trial: world.there(trial) for trial in world.trials} == stay
        assert [readiness.ready_tasks(world.store, run) for run in world.runs] == ready
        assert [
            f for run in world.runs for f in verify.verify_files(world.store, run) if f.problem
        ] == []
    finally:
        shutil.rmtree(world.store.root)
