"""Thresholds of confidence, and what is right among the answers above them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from support.fakes import fill_store

from jobs.store import tables
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.per_class import class_metrics
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.run_data import read_run_data
from orchestrator.analysis.selective import (
    ConfidentAnswers,
    answers,
    halves,
    lowest_threshold,
    risk_coverage,
)
from orchestrator.analysis.spreads import wilson
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import selective

SURE = [0.99, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
RIGHT = [True] * 5 + [False, True, False, True, False]
ANSWERS = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 0.9]), st.booleans()), min_size=1)


def trial(sure: list[float], right: list[bool]) -> ConfidentAnswers:
    """Answers of class 0, which is true where they are right; every second is in the first half."""
    said = np.where(right, 0, 1).astype(np.int32)
    one = TrialPredictions(said, np.array(sure, np.float32), said)
    made = answers(one, np.zeros(len(said), np.int32), np.arange(len(said)) % 2 == 0)
    assert made is not None
    return made


def test_by_hand() -> None:
    """Ten answers: the five surest are right, then every second."""
    curve = risk_coverage(trial(SURE, RIGHT))

    assert curve is not None
    assert (curve.images, curve.chosen_on, curve.choosing) == (10, "test", 10)
    assert curve.coverage == pytest.approx([i / 10 for i in range(1, 11)])
    assert curve.risk[4:] == pytest.approx([0, 1 / 6, 1 / 7, 2 / 8, 2 / 9, 3 / 10])
    assert curve.area == pytest.approx(np.mean(curve.risk))
    ninety = curve.thresholds[0]
    assert (ninety.threshold, ninety.coverage, ninety.accuracy) == (
        pytest.approx(0.8),
        0.5,
        1.0,
    )


def test_validation_images_choose_and_test_images_count() -> None:
    """The curve is that of the test images; the threshold is that of the validation images.

    Of these the three surest are right, so 0.65 is the threshold: six test images are as sure.
    """
    validation = trial([0.9, 0.7, 0.65, 0.6], [True, True, True, False])
    curve, alone = risk_coverage(trial(SURE, RIGHT), validation), risk_coverage(trial(SURE, RIGHT))

    assert curve is not None
    assert alone is not None
    assert (curve.coverage, curve.risk, curve.area) == (alone.coverage, alone.risk, alone.area)
    assert (curve.chosen_on, curve.choosing) == ("validation", 4)
    assert [one.threshold for one in curve.thresholds] == pytest.approx([0.65] * 3)
    assert {(one.coverage, one.accuracy) for one in curve.thresholds} == {(0.6, 5 / 6)}
    assert {(one.checked_coverage, one.checked_accuracy) for one in curve.thresholds} == {
        (0.6, 5 / 6)
    }


def test_a_threshold_that_no_test_image_reaches_answers_nothing() -> None:
    """And has no share that is right."""
    curve = risk_coverage(trial([0.5, 0.4], [True, True]), trial([0.9, 0.6], [True, False]))

    assert curve is not None
    assert {(one.coverage, one.accuracy) for one in curve.thresholds} == {(0.0, None)}


@settings(max_examples=60, deadline=None)
@given(ANSWERS, st.sampled_from([0.5, 0.9, 1.0]))
def test_no_lower_threshold_would_do(answers: list[tuple[float, bool]], target: float) -> None:
    """Equal confidences are answered together."""
    sure, right = (np.array([one[i] for one in answers]) for i in (0, 1))
    good = [level for level in set(sure.tolist()) if right[sure >= level].mean() >= target]

    assert lowest_threshold(target, sure, right) == (min(good) if good else None)


def test_a_check_uses_images_that_did_not_choose() -> None:
    """With confidences that tell nothing, what looks right on 99% is not."""
    rng = np.random.default_rng(0)
    sure, right = rng.random(400), rng.random(400) < 0.9
    names = [f"{i}.png" for i in range(400)]
    curve = risk_coverage(ConfidentAnswers(sure, right, halves(names)))

    assert curve is not None
    last = curve.thresholds[-1]
    assert last.accuracy is None or last.accuracy >= 0.99
    assert last.checked_accuracy is None or last.checked_accuracy < 0.99


def test_without_confidences_there_are_no_thresholds() -> None:
    """Nor where nothing is right."""
    none = np.full(3, np.nan, np.float32)
    said = np.zeros(3, np.int32)
    never = risk_coverage(trial([0.9, 0.8], [False, False]))

    assert answers(TrialPredictions(said, none, said), said) is None
    assert risk_coverage(None, trial([0.9], [True])) is None
    assert never is not None
    assert {(one.threshold, one.coverage, one.accuracy) for one in never.thresholds} == {
        (None, 0.0, None)
    }


def test_intervals_of_a_class_are_wilsons_and_that_of_f1_is_carried_over() -> None:
    """8 of 10 images of the class, and 2 others taken for it: 8 hits among 12."""
    one, other, absent = class_metrics(np.array([[8, 2, 0], [2, 8, 0], [0, 0, 0]]), ["a", "b", "c"])
    ends = [2 * end / (1 + end) for end in (wilson(8, 12).low, wilson(8, 12).high)]

    assert one.recall_interval == one.precision_interval == wilson(8, 10)
    assert one.f1_interval is not None
    assert (one.f1_interval.low, one.f1_interval.high) == pytest.approx(ends)
    assert one.f1_interval.low < (one.f1 or 0) < one.f1_interval.high
    assert other.f1_interval == one.f1_interval
    assert (absent.recall_interval, absent.f1_interval) == (None, None)


def test_the_interval_of_f1_covers_and_seeds_do_not_narrow_it() -> None:
    """In a simulation; three equal seeds have the interval of one."""
    rng, covered = np.random.default_rng(1), 0
    labels = rng.random((400, 120)) < 0.3
    said = np.where(rng.random((400, 120)) < 0.85, labels, ~labels)
    true_f1 = 2 * 0.3 * 0.85 / (0.3 + 0.3 * 0.85 + 0.7 * 0.15)
    for true, predicted in zip(labels, said, strict=True):
        counts = np.bincount(2 * true + predicted, minlength=4).reshape(2, 2)
        interval = class_metrics(counts, ["other", "it"])[1].f1_interval
        covered += interval is not None and interval.low <= true_f1 <= interval.high
    single = class_metrics(counts, ["other", "it"])
    several = class_metrics(3 * counts, ["other", "it"], counts.sum(axis=1))

    assert 0.93 <= covered / 400 <= 0.98
    assert [one.f1_interval for one in several] == [one.f1_interval for one in single]


def test_the_report_says_which_images_chose(tmp_path: Path) -> None:
    """A network that published its answers to validation images, and one of an earlier version."""
    store, run = fill_store(
        tmp_path, backbones=["scratch", "resnet34"], periods=1, seeds=1, pixels=False
    )
    new = next(name for name in run.trials if name.startswith("scratch"))
    epoch, rows = run.spec.epochs, tables.read_rows(store.root, "predictions", [new]).to_pylist()
    mine = [row for row in rows if row["epoch"] == epoch][:8]
    kept = [
        row | {"predicted": row["label"], "confidence": 0.5 + place / 100}
        for place, row in enumerate(mine)
    ]
    path = store.root / tables.table_folder("validation_predictions", new) / "e0002.parquet"
    path.parent.mkdir(parents=True)
    tables.write_table(path, tables.build_table("validation_predictions", kept))

    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    one, old = analysis.selective["scratch"], analysis.selective["resnet34"]
    (fold,) = selective.folded(ReportData(run_data, analysis, Gallery(run_data)))
    told, table = (each for each in fold.parts[:2])

    assert (one.chosen_on, one.choosing, old.chosen_on) == ("validation", 8, "test")
    assert {threshold.threshold for threshold in one.thresholds} == {0.5}
    assert "Those of ResNet34 are chosen on the test images themselves" in told.text
    assert {row[2] for row in table.rows} == {"8 validation images", f"{old.images} test images"}
