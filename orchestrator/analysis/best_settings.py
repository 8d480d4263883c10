"""The settings of a grid by validation accuracy, which the choice of one should rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from jobs.spec.setting import network_of
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import EpochRow


@dataclass(frozen=True, slots=True)
class SettingResult:
    """A network with one of several settings, after the compared period; means over seeds.

    `backbone` is its label, `validation_accuracy` and `validation_loss` are those of the tested
    epochs. `best` says that it has the highest validation accuracy of its network.
    """

    backbone: str
    validation_accuracy: float | None
    validation_loss: float | None
    accuracy: float | None
    seeds: int
    best: bool = False


def compare_settings(run_data: RunData) -> tuple[SettingResult, ...]:
    """The settings of the networks that have several, in the order of the comparison.

    Of equal validation accuracies the one with the lower validation loss is the best.
    """
    varied = {name for name in run_data.run.spec.backbones if run_data.run.spec.lists_of(name)}
    labels = [name for name in run_data.comparison.backbones if network_of(name) in varied]
    results = [_result(run_data, label) for label in labels] if labels else []
    best = {_best([one for one in results if network_of(one.backbone) == name]) for name in varied}
    return tuple(replace(one, best=one.backbone in best) for one in results)


def _best(results: Sequence[SettingResult]) -> str | None:
    """The label with the highest validation accuracy; None before any validation."""
    known = [one for one in results if one.validation_accuracy is not None]
    first = min(
        known,
        key=lambda one: (-(one.validation_accuracy or 0.0), one.validation_loss or 0.0),
        default=None,
    )
    return first.backbone if first else None


def _result(run_data: RunData, label: str) -> SettingResult:
    trials = [name for name in run_data.trials if run_data.label(name) == label]
    rows = [row for name in trials if (row := _tested_row(run_data, name))]
    accuracies = [row.val_accuracy for row in rows if row.val_accuracy is not None]
    losses = [row.val_loss for row in rows if row.val_loss is not None]
    at = run_data.comparison.at(run_data.period)
    tested = next((one.accuracy for one in at if one.backbone == label), None)
    return SettingResult(
        label,
        fmean(accuracies) if accuracies else None,
        fmean(losses) if losses else None,
        tested.mean if tested else None,
        len(accuracies),
    )


def _tested_row(run_data: RunData, trial: str) -> EpochRow | None:
    """The row of the epoch whose network is tested; None while it has not got there."""
    until = run_data.comparison.tested_at(trial, run_data.run.epoch_of(run_data.period))
    rows = [row for row in run_data.comparison.epochs if row.trial == trial and row.epoch <= until]
    if not rows or rows[-1].epoch < until:
        return None
    if run_data.trials[trial].recipe.keep == "best":
        known = [row for row in rows if row.val_loss is not None]
        return min(known, key=lambda row: row.val_loss or 0.0, default=None)
    return rows[-1]
