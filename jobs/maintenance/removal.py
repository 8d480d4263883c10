"""Find what belongs to one run alone, to remove it; and what a removed run left behind."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jobs import atomic
from jobs.errors import OrchError
from jobs.maintenance.prune import DEAD_AFTER_S, Prunable, remove, touched
from jobs.spec.networks import own_files
from jobs.store import codec, tables
from jobs.store.features import FeaturesRecord
from jobs.store.runs import PLAIN_NAME, Run, RunOutline, read_outline
from jobs.store.store import Store
from jobs.task import KINDS, ON

REMOVED = ".removed"
"""The name of a run's folder ends so while the rest of the run is removed."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What would be removed with a run, and its trials and data sets that other runs share."""

    items: tuple[Prunable, ...]
    shared: tuple[str, ...]
    doomed: frozenset[str]

    @property
    def bytes(self) -> int:
        """Size of everything that would be removed."""
        return sum(item.bytes for item in self.items)


def plan_removal(store: Store, run: Run | RunOutline) -> Removal:
    """Everything of a run that no other run shares; nothing is changed."""
    others = [name for name in atomic.list_names(store.runs_folder) if name != run.name]
    trials = {trial for trial in run.trials if not _other_runs(store, trial, run.name)}
    data_sets = set(run.all_data_sets) - _data_in_use(store, others, trials)
    doomed = frozenset(trials | data_sets)
    paths = [
        *_belongings(store, doomed),
        *_networks(store, run, others),
        *(store.trial_runs_folder(trial) / run.name for trial in run.trials if trial not in trials),
        store.report_folder(run.name),
        store.export_folder(run.name),
        store.run_folder(run.name),
    ]
    items = [
        Prunable(path, touched(path)[1], f"of the run {run.name}")
        for path in paths
        if os.path.lexists(path)
    ]
    shared = (*run.trials, *run.all_data_sets)
    return Removal(tuple(items), tuple(name for name in shared if name not in doomed), doomed)


def remove_run(
    store: Store, run: Run | RunOutline, act: Callable[[Prunable], None] = remove
) -> Removal:
    """Remove a run; what it shares stays. Raises `OSError`, or `OrchError` where files are left.

    The run's own folder is put aside first: workers then start none of its tasks. It is removed
    last, as `orch prune` reads there what an interrupted removal has left.
    """
    removal = plan_removal(store, run)
    folder, aside = store.run_folder(run.name), _aside(store, run.name)
    os.rename(folder, aside)
    for item in removal.items:
        if item.path != folder:
            act(item)
    left = [item.path for item in removal.items if os.path.lexists(item.path)]
    if left:
        raise OrchError(
            f"the run {run.name} is removed, but {len(left)} of its files and folders are not, "
            f"such as {left[0]}. 'orch prune' tries again after an hour."
        )
    act(Prunable(aside, 0, ""))
    return removal


def find_orphans(store: Store, now: float | None = None) -> Iterator[Prunable]:
    """What belongs to no run: left by an interrupted removal or submission.

    Only what has not changed for an hour, as a run that is being submitted writes its trials first.
    """
    now = time.time() if now is None else now
    trials = atomic.list_names(store.trials_folder)
    unwanted = {trial for trial in trials if not _other_runs(store, trial, "")}
    strange = _subjects(store) - set(trials) - set(atomic.list_names(store.all_data_folder))
    paths = [*_belongings(store, unwanted | strange), *_of_interrupted(store, now)]
    for path in dict.fromkeys(paths):
        changed, size = touched(path)
        if now - changed > DEAD_AFTER_S:
            yield Prunable(path, size, "belongs to no run")


def _of_interrupted(store: Store, now: float) -> Iterator[Path]:
    """What removals that were interrupted an hour ago have left, and last the folders put aside."""
    hidden = os.listdir(store.runs_folder) if store.runs_folder.is_dir() else []
    for aside in (store.runs_folder / name for name in hidden if name.endswith(REMOVED)):
        if now - aside.stat().st_ctime <= DEAD_AFTER_S:  # the time of its renaming
            continue
        name, record = aside.name[1:].rsplit(".", 2)[0], aside / store.run_path("a").name
        with contextlib.suppress(OrchError, OSError):
            run = read_outline(record, atomic.file_state(record), name)
            again = store.run_path(name).exists()  # submitted again: what it uses stays
            left = replace(run, name=aside.name) if again else run
            yield from (item.path for item in plan_removal(store, left).items)
        yield aside


def size_of_run(store: Store, run: Run | RunOutline) -> tuple[int, int]:
    """Bytes that removing the run would free, and bytes of what it shares with other runs."""
    removal = plan_removal(store, run)
    shared = _belongings(store, removal.shared)
    return removal.bytes, sum(touched(path)[1] for path in shared)


def _aside(store: Store, run: str) -> Path:
    return store.runs_folder / f".{run}.{os.getpid()}{REMOVED}"


def _other_runs(store: Store, trial: str, run: str) -> list[str]:
    """The runs besides `run` that include a trial, those that are being submitted too."""
    folder = store.trial_runs_folder(trial)
    return [
        name
        for name in atomic.list_names(folder)
        if name != run and (store.run_path(name).exists() or _is_new(folder / name))
    ]


def _is_new(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < DEAD_AFTER_S
    return False


def _data_in_use(store: Store, runs: Iterable[str], doomed: set[str]) -> set[str]:
    """The data sets of these runs and of all trials but the doomed ones.

    All of the store's where a record cannot be read.
    """
    kept = set(atomic.list_names(store.trials_folder)) - doomed
    try:
        of_runs = {data for name in runs for data in store.outline(name).all_data_sets}
        return of_runs | {store.load_trial(trial).data for trial in kept}
    except OrchError:
        return set(atomic.list_names(store.all_data_folder))


def _features(store: Store, data_sets: set[str]) -> Iterator[Path]:
    """The features of these data sets, each record before its file; unreadable ones stay."""
    folder = store.features_folder
    for name in atomic.list_names(folder):
        if name.endswith(".json"):
            with contextlib.suppress(OrchError):
                record = codec.read(folder / name, FeaturesRecord)
                if record is not None and record.data in data_sets:
                    yield from (folder / name, folder / Path(record.file).name)


def _networks(store: Store, run: Run | RunOutline, others: Iterable[str]) -> list[Path]:
    """Copies of own files that no other run uses; none where a run cannot be read."""
    mine = _network_files(run)
    if not mine:
        return []
    for name in others:
        try:
            mine -= _network_files(store.load_run(name))
        except OrchError:
            return []
    return [store.network_path(name) for name in sorted(mine)]


def _network_files(run: Run | RunOutline) -> set[str]:
    """The names of its own files in the store, as its record holds them; only plain names."""
    networks = run.recorded_spec.get("networks")
    each = networks.values() if isinstance(networks, dict) else ()
    own = [(one.get("source"), one.get("weights")) for one in each if isinstance(one, dict)]
    files = (name for source, weights in own for name in own_files(source, weights))
    return {name for name in files if isinstance(name, str) and PLAIN_NAME.fullmatch(name)}


def _folders_of_tasks(store: Store) -> list[Path]:
    """The folders whose names begin with a kind of task and a trial or data set."""
    return [
        store.ledger_folder("done"),
        store.ledger_folder("failed"),
        store.progress_folder,
        store.all_attempts_folder,
        store.leases_folder,
        store.asked_folder,
        store.root / tables.table_folder("attempts", tables.DATA_SETS),
    ]


def _subject(name: str) -> str:
    """The trial or data set in the name of a task's file."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] in KINDS else ""


def _data(name: str) -> str:
    """The other data in the name of a task's file, of a mark, or of a table; else nothing."""
    return re.split(rf"[.-]{ON}", name, maxsplit=1)[-1].partition(".")[0] if ON in name else ""


def _of_other_data(store: Store, data_sets: set[str]) -> Iterator[Path]:
    """Marks and rows of evaluations on these data sets, of trials that may stay."""
    folders = [store.target_epochs_folder(name) for name in atomic.list_names(store.trials_folder)]
    for table in tables.OF_OTHER_DATA:
        parts = store.root / "results" / table
        folders += [parts / name for name in atomic.list_names(parts)]
    for folder in folders if data_sets else ():
        for name in atomic.list_names(folder):
            if _data(name) in data_sets:
                yield folder / name


def _subjects(store: Store) -> set[str]:
    names = (name for folder in _folders_of_tasks(store) for name in atomic.list_names(folder))
    return {subject for name in names if (subject := _subject(name))}


def _belongings(store: Store, subjects: Iterable[str]) -> list[Path]:
    """All files and folders of these trials and data sets; the records that name others first."""
    wanted = set(subjects)
    if not wanted:
        return []
    paths = [
        folder / name
        for folder in _folders_of_tasks(store)
        for name in atomic.list_names(folder)
        if {_subject(name), _data(name)} & wanted
    ]
    paths += _of_other_data(store, wanted & {*atomic.list_names(store.all_data_folder)})
    paths += _features(store, wanted)
    for subject in sorted(wanted):
        results = [store.root / tables.table_folder(table, subject) for table in tables.SCHEMAS]
        paths += [*results, store.data_folder(subject), store.trial_folder(subject)]
    return [path for path in paths if os.path.lexists(path)]
