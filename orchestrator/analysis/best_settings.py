"""The settings of a grid by validation, which the choice of one should rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from jobs.catalog.metrics import METRICS, Metric
from jobs.early_stopping import best_row
from jobs.spec.setting import network_of
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import EpochRow


@dataclass(frozen=True, slots=True)
class SettingResult:
    """A network with one of several settings, after the compared period; means over seeds.

    `backbone` is its label, `validation_accuracy` and `validation_loss` are those of the tested
    epochs, as is `validation`, the value of `metric`. That is the leading metric, or accuracy where
    trainings have not recorded it; `tested` is its value on the test images. `best` says that it
    has the best validation value of its network.
    """

    backbone: str
    validation_accuracy: float | None
    validation_loss: float | None
    accuracy: float | None
    seeds: int
    metric: str
    validation: float | None
    tested: float | None
    best: bool = False


def compare_settings(run_data: RunData) -> tuple[SettingResult, ...]:
    """The settings of the networks that have several, in the order of the comparison.

    Of equal validation values the one with the lower validation loss is the best.
    """
    varied = {name for name in run_data.run.spec.backbones if run_data.run.spec.lists_of(name)}
    labels = [name for name in run_data.comparison.backbones if network_of(name) in varied]
    rows = {label: _tested_rows(run_data, label) for label in labels}
    metric = _judge(run_data.metric, [row for of_label in rows.values() for row in of_label])
    results = [_result(run_data, label, rows[label], metric) for label in labels]
    going = _going(run_data)
    best = {
        _best(
            [o for o in results if network_of(o.backbone) == name and o.backbone in going], metric
        )
        for name in varied
    }
    return tuple(replace(one, best=one.backbone in best) for one in results)


def _going(run_data: RunData) -> set[str]:
    """The labels with a trial that no decision stopped: of a tuned key only the chosen value."""
    stops = run_data.decisions.stopped_now
    return {run_data.label(trial) for trial in run_data.trials if trial not in stops}


def _judge(leading: Metric, rows: Sequence[EpochRow]) -> Metric:
    """The leading metric where every tested epoch has it of the validation images; or accuracy."""
    recorded = all(row.value(f"val_{leading.name}") is not None for row in rows)
    return leading if recorded else METRICS["accuracy"]


def _best(results: Sequence[SettingResult], metric: Metric) -> str | None:
    """The label with the best validation value; None before any validation."""
    known = [
        (-metric.sign * one.validation, one.validation_loss or 0.0, place)
        for place, one in enumerate(results)
        if one.validation is not None
    ]
    return results[min(known)[-1]].backbone if known else None


def _result(
    run_data: RunData, label: str, rows: Sequence[EpochRow], metric: Metric
) -> SettingResult:
    accuracies = _known(rows, "val_accuracy")
    at = run_data.comparison.at(run_data.period)
    standing = next((one for one in at if one.backbone == label), None)
    tested = standing.metrics.get(metric.name) if standing else None
    return SettingResult(
        label,
        _mean(accuracies),
        _mean(_known(rows, "val_loss")),
        standing.accuracy.mean if standing and standing.accuracy else None,
        len(accuracies),
        metric.name,
        _mean(_known(rows, f"val_{metric.name}")),
        tested.mean if tested else None,
    )


def _known(rows: Sequence[EpochRow], column: str) -> list[float]:
    return [value for row in rows if (value := row.value(column)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _tested_rows(run_data: RunData, label: str) -> list[EpochRow]:
    """The row of the tested epoch of each seed that has got there."""
    trials = [name for name in run_data.trials if run_data.label(name) == label]
    return [row for name in trials if (row := _tested_row(run_data, name))]


def _tested_row(run_data: RunData, trial: str) -> EpochRow | None:
    """The row of the epoch whose network is tested; None while it has not got there."""
    until = run_data.comparison.tested_at(trial, run_data.run.epoch_of(run_data.period))
    rows = [row for row in run_data.comparison.epochs if row.trial == trial and row.epoch <= until]
    if not rows or rows[-1].epoch < until:
        return None
    recipe = run_data.trials[trial].recipe
    best = best_row([row.columns() for row in rows], recipe) if recipe.keep == "best" else None
    return rows[-1 if best is None else best]
