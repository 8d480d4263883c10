"""Load the rankings that were made of the images of a run, before or after it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.errors import DamagedFile, OrchError, OutOfReach, UnknownRun
from jobs.store import tables
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from jobs.task import Task, Trial

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class StoredRanking:
    """What is published of a ranking: its row and its answers, by what tells networks apart.

    Answers are in the order of their images.
    """

    run: str
    submitted_at: float
    rows: dict[str, dict[str, Any]]
    answers: dict[str, pa.Table]


def identity(trial: Trial) -> str:
    """What a network is before any training: its label, own file and weights."""
    own = trial.network.weights if trial.network is not None else None
    return f"{trial.identity} {own or trial.weights}"


def load_rankings(store: Store, run: Run) -> tuple[StoredRanking, ...]:
    """The rankings of the images of a run that trains, the latest last; damaged ones are left out.

    Images are the same if their files and classes are, however they are prepared. The same images
    are for testing, so that no ranking has seen the test images of the run.
    """
    rankings = [] if run.spec.rank else list(_rankings(store))
    same = list[StoredRanking]()
    with contextlib.suppress(OrchError, OSError):  # a run whose images are not there any more
        wanted = _described(store, run.data) if rankings else None
        for outline in rankings:
            with contextlib.suppress(OrchError, OSError):
                if _described(store, outline.data) == wanted:
                    same.append(_load(store, outline))
    return tuple(same)


def _rankings(store: Store) -> Iterator[RunOutline]:
    for name in store.run_names():
        with contextlib.suppress(DamagedFile, OutOfReach, UnknownRun):
            outline = store.outline(name)
            if outline.settings.get("rank"):
                yield outline


def _described(store: Store, data: str) -> tuple[str, list[str]]:
    """What identifies the images of a prepared data set, and those of them that are for testing."""
    rows = tables.read_table(store.manifest_path(data), tables.MANIFEST)
    columns = (rows[name].to_pylist() for name in ("path", "sha256", "split"))
    tested = [
        sha256 or path for path, sha256, split in zip(*columns, strict=True) if split == "test"
    ]
    return _images(store, data), sorted(tested)


def _images(store: Store, data: str) -> str:
    """A checksum of a data set's files with their classes; the name of a built-in one."""
    described = store.described(data)
    files = tables.read_table(store.inventory_path(data), tables.INVENTORY, ["sha256", "label"])
    if not files.num_rows:
        return described.origin
    pairs = zip(files["sha256"].to_pylist(), files["label"].to_pylist(), strict=True)
    told = "\0".join(f"{sha256} {label}" for sha256, label in sorted(pairs))
    return hashlib.sha256(told.encode()).hexdigest()


def _load(store: Store, outline: RunOutline) -> StoredRanking:
    done = [name for name in outline.trials if store.is_done(Task("rank", name))]
    networks = {name: identity(store.load_trial(name)) for name in done}
    rows = tables.read_rows(store.root, "rankings", done).to_pylist()
    return StoredRanking(
        outline.name,
        float(outline.submitted_at),
        {networks[row["trial"]]: row for row in rows},
        {
            networks[name]: tables.read_rows(store.root, "ranking_answers", [name]).sort_by("image")
            for name in done
        },
    )
