"""Which setting of a grid is the best by validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.fakes import fill_store

from orchestrator.analysis.best_settings import compare_settings
from orchestrator.analysis.run_data import read_run_data

RATES = {"learning_rate": [0.001, 0.003]}
RESNET = ("resnet34, learning_rate 0.001", "resnet34, learning_rate 0.003")


def test_the_choice_goes_by_the_leading_metric_of_the_epoch_that_was_tested(
    tmp_path: Path,
) -> None:
    """With `keep: best` that is the best epoch by `early_stop_metric`, not by the loss."""
    kept = {"metric": "macro-f1", "keep": "best", "early_stop_metric": "macro-f1"}
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34"],
        classes=("ape", "bear"),
        periods=1,
        epochs_per_period=3,
        recipe={**RATES, **kept},
    )
    run_data = read_run_data(store, run)
    told = {RESNET[0]: (0.2, 0.9, 0.3), RESNET[1]: (0.5, 0.6, 0.8)}
    rows = tuple(
        replace(row, val_loss=float(row.epoch), more={"val_macro_f1": told[row.backbone][place]})
        for row in run_data.comparison.epochs
        for place in [row.epoch - 1]
    )
    recorded = replace(run_data, comparison=replace(run_data.comparison, epochs=rows))
    results, earlier = compare_settings(recorded), compare_settings(run_data)

    assert [(one.metric, one.validation, one.validation_loss, one.best) for one in results] == [
        ("macro_f1", 0.9, 2.0, True),
        ("macro_f1", 0.8, 3.0, False),
    ]
    assert {one.metric for one in earlier} == {"accuracy"}  # whose trainings recorded no F1
    assert [one.validation for one in earlier] == [one.validation_accuracy for one in earlier]
