"""Find files that can be removed: temporary files of dead attempts, and unneeded checkpoints."""

from __future__ import annotations

import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs import atomic
from jobs.errors import BadSpec
from jobs.store import codec, tables
from jobs.store.decisions import read
from jobs.store.records import AttemptRecord, CheckpointRecord
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task

POLICIES = ("best", "last", "periods")
DEAD_AFTER_S = 3600.0
CHECKPOINT = re.compile(r"e(\d{4,})(-s\d+)?-.*\.json")


@dataclass(frozen=True, slots=True)
class Prunable:
    """A file or folder that can be removed, with its size in bytes and the reason."""

    path: Path
    bytes: int
    reason: str


def parse_policy(text: str) -> frozenset[str]:
    """Parse a policy such as `best,last`; raises `BadSpec` for an unknown word."""
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    if not words or not words <= set(POLICIES):
        raise BadSpec(
            f"--keep {text!r}: give one or more of {', '.join(POLICIES)}, such as best,last."
        )
    return words


def find_prunable(
    store: Store, runs: list[Run], keep: frozenset[str], now: float | None = None
) -> Iterator[Prunable]:
    """Temporary files unchanged for an hour, and checkpoints of finished trials not in `keep`.

    Checkpoints that may still be needed are kept: those of trials with unfinished tasks, and of
    trials that belong to other runs too. Raises `NewerRecord`. `now` is a Unix time (None: the
    clock).
    """
    yield from _drafts(store, time.time() if now is None else now)
    named, decided = {run.name for run in runs}, [(run, read(store, run)) for run in runs]
    for trial in dict.fromkeys(trial for run in runs for trial in run.trials):
        others = set(atomic.list_names(store.trial_runs_folder(trial))) - named
        if others:
            continue
        stops = [known.stop_of(trial) for run, known in decided if trial in run.trials]
        target_epochs = _wanted_epochs(store, trial, stops)
        if not _unfinished(store, trial, target_epochs):
            yield from _checkpoints(store, trial, target_epochs, keep)


def remove(item: Prunable) -> None:
    """Remove a file or folder.

    A checkpoint's checksum file is removed first, so that a partly removed checkpoint never looks
    complete.
    """
    if item.path.is_dir() and not item.path.is_symlink():
        shutil.rmtree(item.path, ignore_errors=True)
        return
    if item.path.suffix == ".pt":
        item.path.with_suffix(".json").unlink(missing_ok=True)
    item.path.unlink(missing_ok=True)


def _wanted_epochs(store: Store, trial: str, stops: list[int | None]) -> list[int]:
    """The target epochs of a trial; up to where it was stopped, if each of its runs stopped it."""
    known = [stop for stop in stops if stop is not None]
    last = max(known) if known and len(known) == len(stops) else None
    return [epoch for epoch in store.target_epochs(trial) if last is None or epoch <= last]


def _unfinished(store: Store, trial: str, target_epochs: list[int]) -> bool:
    trained = all(store.is_done(Task("train", trial, epoch)) for epoch in target_epochs)
    return not (
        trained
        and all(
            store.is_done(test)
            for epoch in target_epochs
            for test in store.evaluations(trial, epoch)
        )
    )


def _checkpoints(
    store: Store, trial: str, target_epochs: list[int], keep: frozenset[str]
) -> Iterator[Prunable]:
    kept = set(target_epochs) if "periods" in keep else set()
    if "last" in keep and target_epochs:
        kept.add(target_epochs[-1])
    if "best" in keep:
        kept |= _best(store, trial, target_epochs)
    results = [store.done(Task("train", trial, epoch)) for epoch in kept]
    named = {result.checkpoint for result in results if result}
    folder = store.checkpoints_folder(trial)
    for name in atomic.list_names(folder):
        path = (folder / name).with_suffix(".pt")
        if CHECKPOINT.fullmatch(name) and path.relative_to(store.root).as_posix() not in named:
            codec.refuse_newer(CheckpointRecord, folder / name)
            yield Prunable(
                path,
                path.stat().st_size if path.exists() else 0,
                "a checkpoint that --keep does not name",
            )


def _best(store: Store, trial: str, target_epochs: list[int]) -> set[int]:
    """The target epoch with the lowest validation loss.

    All target epochs if the rows are missing or unreadable.
    """
    try:
        rows = tables.read_rows(store.root, "epochs", [trial], ["epoch", "val_loss"]).to_pylist()
    except (OSError, ValueError):
        return set(target_epochs)
    ends = [(row["val_loss"], row["epoch"]) for row in rows if row["epoch"] in target_epochs]
    return {min(ends)[1]} if ends else set(target_epochs)


def _drafts(store: Store, now: float) -> Iterator[Prunable]:
    """Temporary files, replays, work folders, and checkpoints without a checksum file.

    Only those that have not changed for an hour.
    """
    for path in list(store.root.rglob("*")):
        draft = path.name.startswith(".") and (
            path.suffix == ".draft" or path.name.startswith(".replay-")
        )
        work = (
            path.parent.parent == store.all_attempts_folder
            and path.is_dir()
            and not _may_be_running(store, path)
        )
        half = (
            path.parent.name == "checkpoints"
            and path.suffix == ".pt"
            and not path.with_suffix(".json").exists()
        )
        if draft or work or half:
            changed, size = touched(path)
            if now - changed > DEAD_AFTER_S:
                yield Prunable(path, size, "leftover of a dead attempt")


def touched(path: Path) -> tuple[float, int]:
    """Time of the last change at or below a path, and its size in bytes.

    A path that no longer exists counts as just changed.
    """
    try:
        states = [path.lstat(), *(inner.lstat() for inner in path.rglob("*"))]
    except FileNotFoundError:
        return float("inf"), 0
    return max(state.st_mtime for state in states), sum(
        s.st_size for s in states if stat.S_ISREG(s.st_mode)
    )


def _may_be_running(store: Store, work: Path) -> bool:
    """Whether a work folder belongs to its task's latest attempt, which is still running."""
    try:
        task = Task.parse(work.parent.name)
        record = codec.read(work.with_suffix(".json"), AttemptRecord)
        latest = max(
            int(name[:-5])
            for name in atomic.list_names(work.parent)
            if name.endswith(".json") and name[:-5].isdecimal()
        )
    except (BadSpec, ValueError):
        return False
    running = (
        record is not None
        and record.state == "running"
        and work.name.isdecimal()
        and latest == int(work.name)
    )
    return running and not store.is_done(task)
