"""The shared folder that is the ledger: what is asked, what came back. Where each file lies: `jobs.store.paths`."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jobs import atomic
from jobs.errors import BadSpec, DamagedFile, LeaseLost, StoreUnusable, UnknownRun, WorkError
from jobs.store import records
from jobs.store.datasets import DataSetStore
from jobs.store.publish import publish_file
from jobs.store.runs import NAME_OF_RUN, Run, RunOutline, read_outline, read_run
from jobs.task import Task, Trial

T = TypeVar("T")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ids of all tasks that are done and of those that will not be tried again, as listed at one moment."""

    done: frozenset[str]
    failed: frozenset[str]

    def is_done(self, task: Task) -> bool:
        """Whether the task's result was published then."""
        return task.id in self.done

    def has_failed(self, task: Task) -> bool:
        """Whether the task had been given up then."""
        return task.id in self.failed


@dataclass(frozen=True, slots=True)
class Store(DataSetStore):
    """What is known of one store folder."""

    def open(self, create: bool = False) -> Store:
        """Check that the folder is a store that can be used; make it with `create`. Raises `StoreUnusable`."""
        marker = self.root / "store.json"
        try:
            if create and not marker.exists():
                self.root.mkdir(parents=True, exist_ok=True)
                atomic.create_json(marker, {"format": FORMAT})
            if create and not os.access(self.root, os.W_OK | os.X_OK):
                raise StoreUnusable(
                    f"the store {self.root} cannot be written. Set ORCH_STORE to a folder of yours."
                )
            found = atomic.read_json(marker)
        except (OSError, WorkError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreUnusable(
                f"the store {self.root} cannot be used: {reason}. Set ORCH_STORE to a folder of yours."
            ) from None
        if found is None and not marker.exists():
            raise StoreUnusable(
                f"there is no store at {self.root}. 'orch submit' makes one; or set ORCH_STORE."
            )
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise StoreUnusable(
                f"the store {self.root} has a format this version of orch does not read: {found}."
            )
        return self

    # What was asked

    def save_trial(
        self, trial: Trial, marks: list[int], run: str, variants: Sequence[str] = ()
    ) -> None:
        """Record a trial, the epochs a run wants it evaluated at, and the run.

        `variants` are the ways in which test images are to be made harder, at the last of the epochs.
        """
        folder = self.trial_folder(trial.name)
        if not (folder / "trial.json").exists():
            atomic.write_json(folder / "trial.json", trial.as_dict())
        wanted = [f"{epoch:04d}" for epoch in marks] + [
            f"{marks[-1]:04d}.{variant}" for variant in variants
        ]
        for path in [*(folder / "marks" / name for name in wanted), folder / "runs" / run]:
            path.parent.mkdir(exist_ok=True)
            path.touch()

    def load_trial(self, name: str) -> Trial:
        """The trial of that name, as saved."""
        path = self.trial_folder(name) / "trial.json"
        try:
            return _trial_in(path, atomic.file_state(path))
        except (FileNotFoundError, NotADirectoryError):
            raise StoreUnusable(f"the store {self.root} knows no trial '{name}'.") from None

    def has_trial(self, name: str) -> bool:
        """Whether a trial of that name was saved."""
        return (self.trial_folder(name) / "trial.json").exists()

    def marks(self, trial: str) -> list[int]:
        """The epochs that runs want a trial trained to and evaluated at, rising."""
        return list(self.marked(trial))

    def tests(self, trial: str, epoch: int) -> list[Task]:
        """The evaluations that runs want of a trial at a mark: on the test images as they are, then made harder."""
        return self.marked(trial).get(epoch, [Task("evaluate", trial, epoch)])

    def marked(self, trial: str) -> dict[int, list[Task]]:
        """Each mark of a trial, rising, with the evaluations that runs want there (see `tests`)."""
        names = atomic.list_names(self.trial_folder(trial) / "marks")
        found = {
            epoch: [Task("evaluate", trial, epoch)]
            for epoch in sorted(map(int, filter(str.isdecimal, names)))
        }
        for name in names:
            if not name.isdecimal():
                with contextlib.suppress(BadSpec, KeyError):
                    harder = Task.parse(f"evaluate.{trial}.{name}")
                    found[harder.epoch].append(harder)
        return found

    def save_run(self, run: Run) -> None:
        """Record a run; its presence is what makes workers tend it."""
        atomic.write_json(
            self.run_path(run.name),
            {
                "name": run.name,
                "spec": run.spec.model_dump(mode="json"),
                "data": run.data,
                "trials": list(run.trials),
                "tasks": list(run.tasks),
                "submitted_at": run.submitted_at,
                "provenance": run.provenance,
            },
        )

    def load_run(self, name: str) -> Run:
        """The run of that name; raises `UnknownRun` with the likeliest of the names there are."""
        return self._described(name, read_run)

    def outline(self, name: str) -> RunOutline:
        """The run of that name without its spec, which may then be damaged; raises as `load_run` does."""
        return self._described(name, read_outline)

    def _described(self, name: str, read: Callable[[Path, tuple[int, ...]], T]) -> T:
        path = self.run_path(name)
        try:
            if NAME_OF_RUN.fullmatch(name):
                return read(path, atomic.file_state(path))
        except (FileNotFoundError, NotADirectoryError):
            pass
        raise UnknownRun(
            f"the store {self.root} holds no run '{name[:120]}'.{self._other_runs(name)}"
        )

    def _other_runs(self, name: str) -> str:
        import difflib

        known = self.run_names()
        near = difflib.get_close_matches(name[:120], known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"{hint} Runs there: {', '.join(known[-8:]) or 'none yet'}."

    def whole_runs(self, names: list[str]) -> list[Run]:
        """The runs of these names, without those whose record is damaged: they must not keep the others waiting."""
        found = []
        for name in names:
            with contextlib.suppress(DamagedFile, UnknownRun):
                found.append(self.load_run(name))
        return found

    def cancel(self, run: str) -> None:
        """Mark a run as cancelled: its tasks are no longer ready, and workers stop those that no other run wants."""
        atomic.write_json(self.cancelled_path(run), {"run": run})

    def reopen(self, run: Run) -> None:
        """Take a cancellation back and make workers tend the run again."""
        self.cancelled_path(run.name).unlink(missing_ok=True)
        self.save_run(run)

    def is_cancelled(self, run: str) -> bool:
        """Whether the run was cancelled and not resumed since."""
        return self.cancelled_path(run).exists()

    def wanted_by(self, task: Task) -> list[Run]:
        """The runs, not cancelled, that want a task, the one submitted last at the end.

        A trial is trained from mark to mark, so a run wants the marks of others too, up to its own last epoch.
        """
        if task.kind == "prepare":
            return [
                run
                for run in self._wanting(atomic.list_names(self.root / "runs"))
                if run.data == task.subject
            ]
        wanting = self._wanting(atomic.list_names(self.trial_folder(task.subject) / "runs"))
        if task.variant:
            return [run for run in wanting if task.id in run.tasks]
        return [run for run in wanting if task.epoch <= run.spec.epochs]

    def _wanting(self, names: list[str]) -> list[Run]:
        """Those of these runs that are whole and were not cancelled, the one submitted last at the end."""
        return self.whole_runs(
            [name for name in self.run_names(names) if not self.is_cancelled(name)]
        )

    def run_names(self, among: list[str] | None = None) -> list[str]:
        """All runs (of some names), the one submitted last at the end."""
        stamped = []
        for name in atomic.list_names(self.root / "runs") if among is None else among:
            try:
                stamped.append((self.run_path(name).stat().st_mtime_ns, name))
            except (FileNotFoundError, NotADirectoryError):
                continue
        return [name for _, name in sorted(stamped)]

    def latest_run(self) -> Run:
        """The run submitted last; raises `UnknownRun` when there is none."""
        known = self.run_names()
        if not known:
            raise UnknownRun(
                f"the store {self.root} holds no run yet. Start one with 'orch submit --all-backbones'."
            )
        return self.load_run(known[-1])

    # What came back

    def ledger(self) -> Ledger:
        """What is done and what has failed, by two listings, however many tasks there are."""
        done, failed = (
            frozenset(
                name.removesuffix(".json")
                for name in atomic.list_names(self.root / "ledger" / kind)
            )
            for kind in ("done", "failed")
        )
        return Ledger(done, failed)

    def done(self, task: Task) -> dict[str, Any] | None:
        """The published outcome of a task, or None."""
        return records.read_result(self.done_path(task))

    def is_done(self, task: Task) -> bool:
        """Whether the task's result is published."""
        return os.path.exists(
            f"{self.root}/ledger/done/{task.id}.json"
        )  # a Path for it would cost more than the look

    def failed(self, task: Task) -> dict[str, Any] | None:
        """Why the task will not be tried again (`failure`, `message`, `attempt`), or None."""
        return records.read(self.failed_path(task), known=records.FAILURE_FIELDS)

    def has_failed(self, task: Task) -> bool:
        """Whether the task will not be tried again."""
        return os.path.exists(f"{self.root}/ledger/failed/{task.id}.json")

    def publish(
        self, task: Task, outcome: dict[str, Any], work_folder: Path, holds_lease: Any
    ) -> None:
        """Put an attempt's files in their places, then record the task as done.

        `outcome["files"]` maps names in the work folder to places in the store. Raises `LeaseLost` when
        `holds_lease()` is no longer true or another attempt was quicker; what that one has published stays.
        """
        published = []
        if not holds_lease():
            raise LeaseLost(
                f"{task.id}: another worker holds the lease; this attempt publishes nothing."
            )
        for draft, place in outcome.get("files", {}).items():
            if not records.is_inside_store(place):
                raise WorkError(
                    f"{task.id} would publish '{place}' outside the store; nothing is published."
                )
            target = self.root / place
            publish_file(work_folder / draft, target, lambda: self.is_done(task))
            published.append(
                {
                    "path": place,
                    "sha256": atomic.file_digest(target),
                    "bytes": target.stat().st_size,
                }
            )
        if not atomic.create_json(self.done_path(task), {**outcome, "files": published}):
            raise LeaseLost(
                f"{task.id}: another attempt has published it meanwhile; this one changes nothing."
            )


# What does not change until it is put down anew is read once: a large plan takes a while.


@functools.lru_cache(maxsize=256)
def _trial_in(path: Path, state: tuple[int, ...]) -> Trial:
    found = records.read(
        path, {"data": str, "backbone": str, "weights": str, "recipe": dict, "seed": int}
    )
    if found is None:
        raise FileNotFoundError(path)
    try:
        return Trial.from_dict(found)
    except (TypeError, ValueError) as error:
        from jobs.spec import explain
        from jobs.spec.model import Recipe

        raise records.damaged_file(path, explain.first_problem(error, Recipe)) from None
