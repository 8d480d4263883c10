"""Verify the checksums of a run, and choose a trial to replay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jobs import plan
from jobs.errors import BadSpec, DamagedFile, OutOfReach, StoreUnusable, UnknownRun
from jobs.maintenance import verify
from jobs.maintenance.inventory import FileCheck
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis import setting_choice

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The result: files and bytes checked, damaged files, and tasks to be done again.

    `resume` names the runs that do these tasks, the verified run first.
    """

    files: int
    bytes: int
    damaged: tuple[FileCheck, ...]
    again: tuple[str, ...]
    resume: tuple[str, ...] = ()


def verify_run(
    store: Store, run: Run, repair: bool, tell: Callable[[int, int], None]
) -> VerificationResult:
    """Verify all files; `tell(done, total)` counts megabytes; `repair` removes damaged ones."""
    findings = list(
        verify.verify_files(
            store, run, lambda done, total: tell(done // MEGABYTE, total // MEGABYTE)
        )
    )
    damaged = [finding for finding in findings if finding.problem]
    again = verify.remove_damaged(store, damaged, run) if repair else []
    return VerificationResult(
        len(findings),
        sum(finding.bytes for finding in findings),
        tuple(damaged),
        tuple(again),
        tuple(_who_do(store, run, again)),
    )


def _who_do(store: Store, run: Run, tasks: list[str]) -> list[str]:
    """The runs that contain these tasks: this one first, then others that share its trials."""
    left, runs = set(tasks), []
    for name in [run.name, *reversed(store.run_names())] if left else []:
        with contextlib.suppress(DamagedFile, OutOfReach, UnknownRun):
            if own := left.intersection(store.outline(name).tasks):
                runs.append(name)
                left -= own
    return runs


def trial_to_replay(
    store: Store,
    run: Run,
    asked: str | None,
    backbone: str | None = None,
    setting: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The requested trial, else the cheapest trained one; raises a `RequestError`.

    A backbone or a setting stands for its first trained trial; with both, or where there is only
    one network, it has to be clear which setting is meant.
    """
    if asked is not None:
        if asked not in run.trials:
            raise BadSpec(
                f"--trial {asked}: the run {run.name} has no such trial. Its trials: "
                f"{', '.join(run.trials)}."
            )
        return asked
    meant = setting_choice.chosen(store, run, [backbone] if backbone else [], setting)
    if backbone is not None:
        setting_choice.require_one(backbone, meant.values())
    trained = [
        trial
        for trial in run.trials
        if trial in meant
        and any(store.is_done(Task("train", trial, e)) for e in store.target_epochs(trial))
    ]
    if not trained:
        raise StoreUnusable(
            f"the run {run.name} has no published training of that yet, so there is nothing to "
            "compare."
            if len(meant) < len(run.trials)
            else f"the run {run.name} has no published training yet, so there is nothing to "
            "compare."
        )
    return min(
        trained, key=lambda name: plan.relative_cost(run.spec, store.load_trial(name).backbone)
    )


def done_of(message: dict[str, Any]) -> tuple[float, int] | None:
    """Epochs done and epochs in total, from a child's message; None if the message lacks them."""
    if message.get("phase") not in ("train", "validate") or not message.get("total"):
        return None
    share = message["done"] / message["total"] if message["phase"] == "train" else 1.0
    return message["epoch"] - 1 + share, message["epochs"]
