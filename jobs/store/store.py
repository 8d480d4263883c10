"""The store, always a folder: runs, trials, target epochs, and the ledger of results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jobs import atomic, benchmark, full_disk, permissions, settings
from jobs.errors import BadSpec, DamagedFile, OutOfReach, StoreUnusable, UnknownRun, WorkError
from jobs.store import codec, decisions, identity, stall_watch
from jobs.store.ledger import LedgerStore
from jobs.store.records import CancelledRecord, RunRecord, ThreadsRecord, TrialRecord
from jobs.store.runs import PLAIN_NAME, Run, RunOutline, read_outline, read_run
from jobs.store.trials import read_trial
from jobs.task import Task, Trial

T = TypeVar("T")
FORMAT = 1


def _advice(marker: object) -> str:
    version = marker.get(codec.FORMAT_KEY) if isinstance(marker, dict) else None
    newer = isinstance(version, int) and version > FORMAT
    return " Upgrade orch on this machine." if newer else ""


@dataclass(frozen=True, slots=True)
class Store(LedgerStore):
    """All reads and writes of one store folder; `jobs.store.paths` lists its paths."""

    def open(self, create: bool = False) -> Store:
        """Check that the folder is a usable store; raises `StoreUnusable`.

        With `create`, a missing store is created first. Its shared mode then holds for all files
        of this process (see `jobs.permissions`).
        """
        marker = self.marker_path
        try:
            if create and not marker.exists():
                self._create()
            if create and not os.access(self.root, os.W_OK | os.X_OK):
                raise StoreUnusable(
                    f"cannot write to the store {self.root}. Set ORCH_STORE to a folder that you "
                    f"can write to, or: {permissions.remedy(self.root)}"
                )
            description = atomic.read_json(marker)
        except (OSError, WorkError, ValueError) as error:
            stall_watch.raise_if_away(self.root, error)
            reason = str(getattr(error, "strerror", None) or error).rstrip(".")
            raise StoreUnusable(
                f"cannot use the store {self.root}: {reason}. Set ORCH_STORE to a folder that you "
                "can write to."
            ) from None
        if description is None and not marker.exists():
            raise StoreUnusable(
                f"there is no store at {self.root}. Create one with 'orch submit', or set "
                "ORCH_STORE."
            )
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise StoreUnusable(
                f"the store {self.root} has a format that this version of orch cannot read: "
                f"{description}.{_advice(description)}"
            )
        try:
            permissions.apply_shared_mode(permissions.shared_mode(description.get("shared")))
        except ValueError as error:
            raise StoreUnusable(f"{marker}: {error}.") from None
        if create:
            self.ensure_id()
        return self

    def _create(self) -> None:
        """Create the store; shared with a group where its folder was made for one."""
        shared = {"shared": "group"} if permissions.is_shared_folder(self.root) else {}
        permissions.apply_shared_mode(permissions.shared_mode(shared.get("shared")))
        self.root.mkdir(parents=True, exist_ok=True)
        atomic.create_json(self.marker_path, {"format": FORMAT, "id": identity.new_id(), **shared})

    @property
    def id(self) -> str:
        """The store's id; an empty text for one of 0.1.0 that was not written to since."""
        with contextlib.suppress(OSError, DamagedFile):
            return identity.read_id(self)
        return ""

    def ensure_id(self) -> str:
        """The store's id, which one of 0.1.0 is given now; raises `StoreUnusable`."""
        try:
            if store_id := identity.ensure_id(self):
                return store_id
            reason = f"{self.id_claim_path.name} there holds no id. Remove that file"
        except (OSError, WorkError) as error:
            reason = f"{getattr(error, 'strerror', None) or error}. Make it writable"
        raise StoreUnusable(f"the store {self.root} cannot be given an id: {reason}.")

    # Requests

    def save_trial(
        self,
        trial: Trial,
        target_epochs: Sequence[int],
        run: str,
        corruption_levels: Sequence[str] = (),
    ) -> None:
        """Record a trial, its target epochs, and the run that wants them.

        `corruption_levels` are the corruption levels to evaluate at the last target epoch.
        """
        codec.refuse_newer(TrialRecord, self.trial_path(trial.name))
        if not self.has_trial(trial.name):
            record = codec.encode(TrialRecord(**trial.as_dict()))
            atomic.write_json(self.trial_path(trial.name), record)
        wanted = [f"{epoch:04d}" for epoch in target_epochs] + [
            f"{target_epochs[-1]:04d}.{corruption}" for corruption in corruption_levels
        ]
        folder = self.target_epochs_folder(trial.name)
        for path in [*(folder / each for each in wanted), self.trial_runs_folder(trial.name) / run]:
            with full_disk.storage_errors(path):
                path.parent.mkdir(exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))

    def plan_threads(self, trial: str, threads: int) -> None:
        """Choose the threads of a trial that no attempt has begun; the first choice stays.

        Sums depend on the number of threads, so it is recorded, not left to the worker.
        """
        if not os.path.exists(self.numerics_path(trial)):
            atomic.create_json(self.threads_path(trial), codec.encode(ThreadsRecord(threads)))

    def load_trial(self, name: str) -> Trial:
        """The recorded trial with this name; raises `StoreUnusable` or `DamagedFile`."""
        path = self.trial_path(name)
        try:
            return read_trial(path, atomic.file_state(path))
        except (FileNotFoundError, NotADirectoryError):
            raise StoreUnusable(f"the store {self.root} has no trial '{name}'.") from None

    def has_trial(self, name: str) -> bool:
        """Whether a trial with this name is recorded."""
        return (self.trial_path(name)).exists()

    def target_epochs(self, trial: str) -> list[int]:
        """Target epochs of a trial, ascending."""
        return list(self.evaluations_by_epoch(trial))

    def evaluations(self, trial: str, epoch: int) -> list[Task]:
        """Evaluations requested at a target epoch: uncorrupted images first; and benchmarks."""
        return self.evaluations_by_epoch(trial).get(epoch, [Task("evaluate", trial, epoch)])

    def evaluations_by_epoch(self, trial: str) -> dict[int, list[Task]]:
        """Each target epoch of a trial, ascending, with its evaluations (see `evaluations`)."""
        names = atomic.list_names(self.target_epochs_folder(trial))
        by_epoch = {
            epoch: [Task("evaluate", trial, epoch)]
            for epoch in sorted(map(int, filter(str.isdecimal, names)))
        }
        for name in names:
            if not name.isdecimal():
                with contextlib.suppress(BadSpec, KeyError):
                    is_bench = benchmark.read_way(name.partition(".")[2]) is not None
                    test = Task.parse(f"{'bench' if is_bench else 'evaluate'}.{trial}.{name}")
                    by_epoch[test.epoch].append(test)
        return by_epoch

    def save_run(self, run: Run) -> None:
        """Record a run; from then on workers reconcile it. Raises `NewerRecord`."""
        codec.refuse_newer(RunRecord, self.run_path(run.name))
        record = RunRecord(
            name=run.name,
            spec=run.spec.model_dump(mode="json"),
            data=run.data,
            trials=run.trials,
            tasks=run.tasks,
            submitted_at=run.submitted_at,
            provenance=run.provenance,
            notes=run.notes,
        )
        atomic.write_json(self.run_path(run.name), codec.encode(record) | {"format": run.format})

    def load_run(self, name: str) -> Run:
        """The run with this name; raises `DamagedFile`.

        Raises `UnknownRun` if there is none, suggesting the closest match.
        """
        return self._described(name, read_run)

    def outline(self, name: str) -> RunOutline:
        """The run with this name without its specification, whose contents are not checked.

        Raises the same errors as `load_run`.
        """
        return self._described(name, read_outline)

    def _described(self, name: str, read: Callable[[Path, tuple[int, ...]], T]) -> T:
        path = self.run_path(name)
        try:
            if PLAIN_NAME.fullmatch(name):
                return read(path, atomic.file_state(path))
        except (FileNotFoundError, NotADirectoryError):
            pass
        raise UnknownRun(
            f"the store {self.root} has no run '{name[:120]}'.{self._other_runs(name)}"
        )

    def _other_runs(self, name: str) -> str:
        import difflib

        known = self.run_names()
        near = difflib.get_close_matches(name[:120], known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return f"{hint} Its runs: {', '.join(known[-8:]) or 'none yet'}."

    def whole_runs(
        self, names: list[str], on_denied: Callable[[OutOfReach], None] = lambda error: None
    ) -> list[Run]:
        """The readable runs among these names.

        A damaged run does not block the others. Nor does one that this user may not read, or that
        a newer orch has written; `on_denied` gets why.
        """
        runs = []
        for name in names:
            try:
                runs.append(self.load_run(name))
            except OutOfReach as error:
                on_denied(error)
            except (DamagedFile, UnknownRun):
                continue
        return runs

    def cancel(self, run: str) -> None:
        """Cancel a run: its tasks are no longer ready.

        Workers stop those of its tasks that no other run wants.
        """
        codec.refuse_newer(CancelledRecord, self.cancelled_path(run))
        atomic.write_json(self.cancelled_path(run), codec.encode(CancelledRecord(run)))

    def reopen(self, run: Run) -> None:
        """Undo a cancellation, so that workers reconcile the run again."""
        codec.refuse_newer(CancelledRecord, self.cancelled_path(run.name))
        codec.refuse_newer(RunRecord, self.run_path(run.name))
        self.cancelled_path(run.name).unlink(missing_ok=True)
        self.save_run(run)

    def is_cancelled(self, run: str) -> bool:
        """Whether the run was cancelled and has not been resumed since."""
        return os.path.exists(self.cancelled_path(run))

    def wanted_by(self, task: Task) -> list[Run]:
        """The runs that want a task and are not cancelled, in order of submission.

        A run also wants the target epochs of other runs on its trials, up to its own last epoch, or
        to where a decision stopped the trial.
        """
        if task.kind == "prepare":
            return [
                run
                for run in self._wanting(atomic.list_names(self.runs_folder))
                if task.subject in run.all_data_sets
            ]
        wanting = self._wanting(atomic.list_names(self.trial_runs_folder(task.subject)))
        return [run for run in wanting if decisions.wants(self, run, task)]

    def _wanting(self, names: list[str]) -> list[Run]:
        """The readable runs among these names that are not cancelled, in order of submission."""
        ordered = self.run_names(names) if len(names) > 1 else names
        return self.whole_runs([name for name in ordered if not self.is_cancelled(name)])

    def run_names(self, among: list[str] | None = None) -> list[str]:
        """Names of all runs, or of those in `among`, in order of submission."""
        stamped = []
        for name in atomic.list_names(self.runs_folder) if among is None else among:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                stamped.append((self.recorded_at(name), name))
        return [name for _, name in sorted(stamped)]

    def recorded_at(self, run: str) -> int:
        """When a run was recorded last, in ns; of a folder that cannot be opened, its own time."""
        try:
            return self.run_path(run).stat().st_mtime_ns
        except PermissionError:
            return self.run_folder(run).stat().st_mtime_ns

    def latest_run(self) -> Run:
        """The run submitted last, of those that this user may read; errors as of `load_run`."""
        return self.load_run(self.latest_name())

    def latest_name(self) -> str:
        """The name of that run; raises `UnknownRun` if there is none."""
        known = [name for name in self.run_names() if os.access(self.run_path(name), os.R_OK)]
        if not known:
            start = settings.command_line(self.root, "submit", "--all-backbones")
            raise UnknownRun(f"the store {self.root} has no runs yet. Start one with: {start}")
        return known[-1]
