"""The status of one trial of a run: epochs, latest accuracy, resume point."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import atomic
from jobs.catalog.backbones import CATALOG
from jobs.errors import OrchError
from jobs.spec.setting import Setting, label, of_recipe, varied
from jobs.store.records import TaskResult
from jobs.store.splits import split_of
from jobs.store.store import Store
from jobs.task import Task, backbone_and_seed
from orchestrator.monitoring.progress import TaskProgress

Results = tuple[list[TaskResult], TaskResult | None]
"""Results of the trainings of a trial, and of its latest evaluation."""

RANKED = 1
"""The epoch that a ranked trial is shown with: a pass over its images."""
CHECKPOINT = re.compile(r"e(\d{4,})-.*\.json")


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """One trial: `state` is waiting, running, done, failed, blocked, stopped or cancelled.

    `accuracy` is of the last evaluation. `stopped_early` is the epoch of early stopping;
    `epochs_done` then stays there. `setting` has the values that vary for its network. `split` is
    what drew its split, where the run has several. A trial that is ranked has one epoch, and
    `probe_accuracy` when that is done. `stopped_because` says why a decision of the run stopped it.
    """

    trial: str
    backbone: str
    seed: int
    state: str
    epochs_done: int
    epochs: int
    period: int
    periods: int
    accuracy: float | None
    accuracy_epoch: int | None
    seconds: float
    progress: tuple[TaskProgress, ...]
    stopped_early: int | None = None
    setting: Setting = field(default_factory=dict)
    probe_accuracy: float | None = None
    split: int | None = None
    stopped_because: str | None = None

    @property
    def label(self) -> str:
        """Its network, in a grid with its setting."""
        return label(self.backbone, self.setting)

    @property
    def epochs_asked(self) -> int:
        """Epochs that the run wants of it; those done where a decision stopped it."""
        return self.epochs_done if self.state == "stopped" else self.epochs

    @property
    def epochs_left(self) -> int:
        """Epochs left to train."""
        over = self.stopped_early is not None or self.state == "stopped"
        return 0 if over else self.epochs - self.epochs_done


@dataclass(slots=True)
class TrialShare:
    """One trial's part of a run: task states; target, trained and evaluated epochs."""

    states: set[str] = field(default_factory=set)
    target_epochs: list[int] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    ranks: bool = False


def shares_of_trials(states: dict[str, str]) -> dict[str, TrialShare]:
    """Each trial's part of the run, in one pass over the task states."""
    shares: defaultdict[str, TrialShare] = defaultdict(TrialShare)
    for task_id, state in states.items():
        kind, trial, epoch, *corruption = task_id.split(".")
        share = shares[trial]
        share.states.add(state)
        if kind == "rank":
            share.ranks, share.target_epochs = True, [RANKED]
            share.trained = [RANKED] if state == "done" else []
            continue
        if kind == "train":
            share.target_epochs.append(int(epoch))
        if state == "done" and not corruption:
            (share.trained if kind == "train" else share.evaluated).append(int(epoch))
    return shares


def results_of(read: Callable[[Task], TaskResult | None], trial: str, share: TrialShare) -> Results:
    """The published results of a trial's part of a run."""
    if share.ranks:
        ranked = read(Task("rank", trial))
        return [ranked] if ranked else [], None
    trained = [read(Task("train", trial, epoch)) for epoch in share.trained]
    tested = read(Task("evaluate", trial, share.evaluated[-1])) if share.evaluated else None
    return [result for result in trained if result], tested


def _kept(store: Store, trial: str, most: int) -> int:
    """Epoch of the newest checkpoint up to epoch `most`, the resume point; 0 if there is none."""
    names = atomic.list_names(store.checkpoints_folder(trial))
    epochs = (int(match[1]) for name in names if (match := CHECKPOINT.match(name)))
    return max((epoch for epoch in epochs if epoch <= most), default=0)


def _backbone_and_seed(store: Store, trial: str) -> tuple[str, int]:
    """Backbone and seed of a trial; only the catalog's names are read off the trial's name."""
    backbone, seed = backbone_and_seed(trial)
    if backbone in CATALOG:
        return backbone, seed
    with contextlib.suppress(OrchError):
        recorded = store.load_trial(trial)
        return recorded.backbone, recorded.seed
    return backbone, seed


def trial_status(
    store: Store,
    name: str,
    share: TrialShare,
    progress: tuple[TaskProgress, ...],
    begun: bool,
    recorded: Results,
    spec: Mapping[str, Any],
) -> TrialStatus:
    """The status of a trial; `begun` says whether it may have checkpoints.

    `spec` are the recorded values of the run's specification.
    """
    backbone, seed = _backbone_and_seed(store, name)
    epochs, trained, evaluated = share.target_epochs[-1], share.trained, share.evaluated
    results, tested = recorded
    stopped = _stopped(results[-1], epochs) if results else None
    training = (each.epoch - 1 for each in progress if each.kind == "train" and each.epoch)
    kept = _kept(store, name, epochs) if begun and not share.ranks else 0
    epochs_done = stopped or max([kept, *trained[-1:], *training])
    return TrialStatus(
        name,
        backbone,
        seed,
        _state_of_trial(share.states, bool(progress)),
        min(epochs_done, epochs),
        epochs,
        min(epochs_done // share.target_epochs[0] + 1, len(share.target_epochs)),
        len(share.target_epochs),
        tested.accuracy if tested else None,
        evaluated[-1] if evaluated else None,
        sum(result.seconds or 0.0 for result in results),
        progress,
        stopped,
        _setting(store, name, varied(spec, backbone)),
        results[-1].accuracy if share.ranks and results else None,
        _split(store, name) if spec.get("splits", 1) != 1 else None,
    )


def _split(store: Store, trial: str) -> int | None:
    """What drew the split of a trial; None where its records cannot be read."""
    with contextlib.suppress(OrchError):
        return split_of(store, store.load_trial(trial).data)
    return None


def _setting(store: Store, trial: str, keys: Sequence[str]) -> dict[str, Any]:
    """The values of keys in the recipe of a trial; none where it cannot be read."""
    if keys:
        with contextlib.suppress(OrchError):
            return of_recipe(store.load_trial(trial).recipe, keys)
    return {}


def _stopped(last: TaskResult, epochs: int) -> int | None:
    """The epoch of early stopping, if the last training ended with it."""
    early = last.stopped_early and last.epoch is not None and last.epoch < epochs
    return last.epoch if early else None


def _state_of_trial(states: set[str], working: bool) -> str:
    if "failed" in states:
        return "failed"
    if states == {"done"}:
        return "done"
    if working:
        return "running"
    ends = ("open", "blocked", "stopped", "cancelled")
    return next(state for state in ends if state in states).replace("open", "waiting")
