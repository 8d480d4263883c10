"""A ranking of networks by what their pretrained features tell of the images, with intervals.

Each training and validation image is answered by classifiers that were trained on the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.errors import OrchError, RequestError
from jobs.settings import command_line
from jobs.statistics.interval import Interval
from jobs.statistics.mcnemar import mcnemar
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis import bootstrap
from orchestrator.analysis.p_values import holm

LEVEL = 0.05
FLIPS = 4000
SIZE = " size"
"""Beside the names of networks: the images in each group."""

Right = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class RankedNetwork:
    """A network: shares of images that a probe and its nearest neighbours get right.

    `low` to `high` is the 95% bootstrap interval of `probe_accuracy`, `difference` to the best the
    probe accuracy minus the best one's, with its interval. `p` is that of the pair, corrected
    (Holm) for the number of networks; `behind` says whether it is significant. `seconds` are those
    of its features and of the rest. `logme` is the log evidence per image.
    """

    backbone: str
    trial: str
    probe_accuracy: float
    low: float
    high: float
    knn_accuracy: float
    logme: float
    seconds: float
    feature_seconds: float
    probe_seconds: float
    device: str
    features: int
    difference: float = 0.0
    difference_low: float = 0.0
    difference_high: float = 0.0
    p: float | None = None
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Ranking:
    """The networks of a run, best first, judged on `images` training and validation images.

    `missing` are networks without a result, with the reason. `method` tests pairs: mcnemar, or
    permutation where images belong together in `groups`.
    """

    run: str
    data: str
    images: int
    classes: int
    folds: int
    neighbours: int
    groups: int
    method: str
    networks: tuple[RankedNetwork, ...]
    missing: dict[str, str]

    @property
    def best(self) -> tuple[str, ...]:
        """The first network, and those that are not significantly behind it."""
        return tuple(one.backbone for one in self.networks if not one.behind)

    @property
    def seconds(self) -> float:
        """Seconds that all of them took, one after the other."""
        return sum(one.seconds for one in self.networks)

    def as_dict(self) -> dict[str, Any]:
        """The ranking as JSON values; `best` and `seconds` are derived."""
        return {**asdict(self), "best": list(self.best), "seconds": self.seconds}


def read_ranking(store: Store, run: Run) -> Ranking:
    """The ranking of a run as far as it is done.

    Raises `RequestError` for a run that trains, and `OrchError` where no network is ranked yet.
    """
    require_ranking(store, run)
    done = ranked_trials(store, run)
    missing = _missing(store, run)
    if not done:
        why = next((f" {name}: {reason}" for name, reason in missing.items() if reason), "")
        raise OrchError(
            f"the run {run.name} has ranked no network yet.{why} Its progress: "
            f"{command_line(store.root, 'status', run.name)}"
        )
    facts = tables.read_rows(store.root, "rankings", done).to_pylist()
    answers = {
        name: tables.read_rows(store.root, "ranking_answers", [name]).sort_by("image")
        for name in done
    }
    return _ranked(store, run, facts, answers, missing)


def ranked_trials(store: Store, run: Run) -> list[str]:
    """The trials of a run that are ranked."""
    return [name for name in run.trials if store.is_done(Task("rank", name))]


def require_ranking(store: Store, run: Run) -> None:
    """Raise `RequestError` for a run that trains networks."""
    if not run.spec.rank:
        raise RequestError(
            f"the run {run.name} trains networks, and ranks none. Its comparison: "
            f"{command_line(store.root, 'report', run.name)}"
        )


def _missing(store: Store, run: Run) -> dict[str, str]:
    """Networks without a result, and why; an empty text where they are still to be ranked."""
    reasons = {}
    for name in run.trials:
        task = Task("rank", name)
        if not store.is_done(task):
            failed = store.failed(task)
            reasons[store.load_trial(name).backbone] = "" if failed is None else failed.message
    return reasons


def _ranked(
    store: Store,
    run: Run,
    facts: list[dict[str, Any]],
    answers: Mapping[str, pa.Table],
    missing: dict[str, str],
) -> Ranking:
    first = answers[facts[0]["trial"]]
    for name, table in answers.items():
        if not table["image"].equals(first["image"]):
            raise OrchError(
                f"{name} was ranked on other images than {facts[0]['trial']}, so they cannot be "
                f"compared. Remove the run with 'orch rm {run.name}' and rank again."
            )
    right = {name: right_of(table) for name, table in answers.items()}
    members, groups = members_of(first)
    drawn = draw(right, members, groups)
    networks = sorted(
        (_network(row, drawn[row["trial"]]) for row in facts),
        key=lambda one: (-one.probe_accuracy, -one.logme, one.backbone),
    )
    grouped = bool(groups)
    networks = _compared(networks, right, drawn, members if grouped else None)
    return Ranking(
        run=run.name,
        data=run.data,
        images=first.num_rows,
        classes=len(store.described(run.data).classes),
        folds=facts[0]["folds"],
        neighbours=facts[0]["neighbours"],
        groups=groups,
        method="permutation" if grouped else "mcnemar",
        networks=tuple(networks),
        missing=missing,
    )


def right_of(answers: pa.Table) -> Right:
    """Whether the probe has each image right (n), as 0 or 1."""
    said, true = answers["predicted"].to_pylist(), answers["label"].to_pylist()
    return np.array([one == other for one, other in zip(said, true, strict=True)], np.float64)


def members_of(answers: pa.Table) -> tuple[Any, int]:
    """The group of each image by number, and the number of groups that the data name; 0: none."""
    names = answers["group"].to_pylist()
    _, members = np.unique(np.array(names), return_inverse=True)
    return members, len({name for name in names if name.startswith("group ")})


def draw(right: Mapping[str, Right], members: Any, groups: int, seed: int = 0) -> dict[str, Any]:
    """Probe accuracies per bootstrap draw; groups that the data name are drawn as a whole."""
    if not groups:
        return bootstrap.resampled({n: each[None, :] for n, each in right.items()}, seed=seed)
    sums = {name: np.bincount(members, each)[None, :] for name, each in right.items()}
    sizes = np.bincount(members).astype(np.float64)[None, :]
    drawn = bootstrap.resampled({**sums, SIZE: sizes}, seed=seed)
    return {name: drawn[name] / drawn[SIZE] for name in right}


def _network(row: Mapping[str, Any], drawn: Any) -> RankedNetwork:
    low, high = np.quantile(drawn, [0.025, 0.975])
    kept = ("backbone", "trial", "probe_accuracy", "knn_accuracy", "logme", "feature_seconds")
    return RankedNetwork(
        **{key: row[key] for key in (*kept, "probe_seconds", "device", "features")},
        seconds=row["feature_seconds"] + row["probe_seconds"],
        low=float(low),
        high=float(high),
    )


def _compared(
    networks: list[RankedNetwork],
    right: Mapping[str, Right],
    drawn: Mapping[str, Any],
    members: Any,
) -> list[RankedNetwork]:
    """Each network against the first, on the same images; `members` are their groups, or None."""
    best, *rest = networks
    p_values = []
    for one in rest:
        ours, theirs = right[best.trial], right[one.trial]
        only = (int(((ours == 1) & (theirs == 0)).sum()), int(((ours == 0) & (theirs == 1)).sum()))
        plain = members is None
        p_values.append(mcnemar(*only) if plain else _flipped_p(ours - theirs, members))
    compared = [best]
    for one, p in zip(rest, holm(p_values), strict=True):
        interval: Interval = bootstrap.difference(drawn[one.trial], drawn[best.trial])
        compared.append(
            replace(
                one,
                difference=one.probe_accuracy - best.probe_accuracy,
                difference_low=interval.low,
                difference_high=interval.high,
                p=p,
                behind=p < LEVEL,
            )
        )
    return compared


def _flipped_p(apart: Right, members: Any) -> float:
    """Two-sided p-value of no difference: the signs of whole groups are flipped at random.

    A permutation test (Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses): with
    few groups it cannot be small, where a bootstrap of groups would be far too often.
    """
    sums = np.bincount(members, apart)
    sums = sums[sums != 0].astype(np.float32)
    signs = np.random.default_rng(0).integers(0, 2, (FLIPS, len(sums)), np.int8) * 2 - 1
    beyond = np.abs(signs.astype(np.float32) @ sums) >= abs(sums.sum()) - 1e-6
    return float(beyond.sum() + 1) / (FLIPS + 1)
