"""The task that ranks a network: its features, its folds, and the answers that it publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory  # noqa: E402
from support.noise_laboratories import noise_laboratories  # noqa: E402

from jobs import atomic  # noqa: E402
from jobs.errors import BadFolder, Stopped  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation import logme, probe  # noqa: E402

PROBE: dict[str, Any] = {"finetune": "head", "optimiser": "adamw", "batch_size": 8}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    """Makes laboratories of their own, each with the data set prepared."""
    return noise_laboratories(tmp_path_factory)


def ranked(laboratory: Laboratory, backbone: str) -> tuple[str, dict[str, Any]]:
    """The trial of a network, ranked, and the task's result."""
    trial = laboratory.trial(backbone, [1], **PROBE)
    return trial, laboratory.do(Task("rank", trial), period=0)


def rows(laboratory: Laboratory, trial: str, table: str) -> list[dict[str, Any]]:
    """The published rows, without the times in them."""
    times = ("feature_seconds", "probe_seconds")
    read = tables.read_rows(laboratory.store.root, table, [trial]).to_pylist()
    return [{key: value for key, value in row.items() if key not in times} for row in read]


def test_training_and_validation_images_are_answered_and_test_images_are_not(
    prepared: Callable[[], Laboratory],
) -> None:
    """Each once; the accuracies are those of the answers, and two rankings are equal bit by bit."""
    laboratory, again = prepared(), prepared()
    trial, result = ranked(laboratory, "scratch")
    data = Data.load(laboratory.store, laboratory.data)
    shown = {data.paths[i] for name in ("train", "validation") for i in data.splits[name]}

    answers = rows(laboratory, trial, "ranking_answers")
    (row,) = rows(laboratory, trial, "rankings")
    ranked(again, "scratch")

    assert sorted(answer["image"] for answer in answers) == sorted(shown)
    right = [answer["label"] == answer["predicted"] for answer in answers]
    near = [answer["label"] == answer["knn_predicted"] for answer in answers]
    assert row["probe_accuracy"] == result["accuracy"] == np.mean(right)
    assert row["knn_accuracy"] == result["knn_accuracy"] == np.mean(near)
    assert (row["images"], row["folds"]) == (len(shown), probe.FOLDS)
    for table in ("rankings", "ranking_answers"):
        assert rows(laboratory, trial, table) == rows(again, trial, table)


def test_a_probe_training_uses_the_features_of_the_ranking_and_the_other_way_round(
    prepared: Callable[[], Laboratory],
) -> None:
    """One file of features, whichever came first."""
    first, second = prepared(), prepared()
    trial, _ = ranked(first, "scratch")
    kept = atomic.list_names(first.store.features_folder)
    first.do(Task("train", trial, 1))
    other = second.trial("scratch", [1], **PROBE)
    second.do(Task("train", other, 1))
    before = atomic.list_names(second.store.features_folder)
    second.do(Task("rank", other), period=0)

    assert len(kept) == 2
    assert atomic.list_names(first.store.features_folder) == kept
    assert atomic.list_names(second.store.features_folder) == before
    assert rows(first, trial, "ranking_answers") == rows(second, other, "ranking_answers")


def test_features_before_a_convolution_are_kept_as_means(
    prepared: Callable[[], Laboratory],
) -> None:
    """512 values an image instead of 512 for each place; those of a training serve as well."""
    laboratory = prepared()
    trial, _ = ranked(laboratory, "squeezenet")
    names = atomic.list_names(laboratory.store.features_folder)
    (row,) = rows(laboratory, trial, "rankings")
    answers = rows(laboratory, trial, "ranking_answers")
    whole = prepared()
    whole.do(Task("train", whole.trial("squeezenet", [1], **PROBE), 1))
    ranked(whole, "squeezenet")

    assert row["features"] == 512
    assert any(name.endswith("-mean.json") for name in names)
    assert not [n for n in atomic.list_names(whole.store.features_folder) if "-mean" in n]
    assert rows(whole, trial, "ranking_answers") == answers


def test_a_ranking_that_is_stopped_goes_on_from_its_features(
    prepared: Callable[[], Laboratory],
) -> None:
    """Nothing is published by the stopped attempt."""
    laboratory = prepared()
    trial = laboratory.trial("scratch", [1], **PROBE)
    task = Task("rank", trial)

    with pytest.raises(Stopped):
        laboratory.do(task, should_stop=lambda: laboratory.told[-1].get("phase") == "probe")
    kept = atomic.list_names(laboratory.store.features_folder)
    laboratory.do(task, period=0)

    assert len(kept) == 2
    assert atomic.list_names(laboratory.store.features_folder) == kept
    assert {"load", "features", "probe"} <= {told.get("phase") for told in laboratory.told}


def test_folds_keep_groups_whole_and_classes_even() -> None:
    """The same images have the same folds, in whatever order networks are ranked."""
    labels = np.repeat([0, 1, 2], 20)
    pairs = [f"equal {number // 2}" for number in range(60)]
    patients = [f"group {number % 6}" for number in range(60)]

    of_pairs, of_patients = probe.folds(labels, pairs), probe.folds(labels, patients)

    for groups, fold in ((pairs, of_pairs), (patients, of_patients)):
        assert len(set(fold)) == probe.FOLDS
        for group in set(groups):
            assert len({f for f, g in zip(fold, groups, strict=True) if g == group}) == 1
    counts = [np.bincount(labels[of_pairs == number], minlength=3) for number in range(5)]
    assert all((count == 4).all() for count in counts)
    assert (probe.folds(labels, pairs) == of_pairs).all()


def test_classes_of_one_image_are_answered_wrong_and_nothing_else_is_impossible() -> None:
    """A lonely image was never seen by those who answer; without any pair nothing can be judged."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 6 + [1] * 6 + [2])
    features = rng.normal(size=(13, 4)).astype(np.float32) + 5 * np.eye(4)[labels].astype("f4")
    fold = probe.folds(labels, [str(n) for n in range(13)])
    threes = np.repeat(np.arange(40), 3)

    answers = probe.judge(features, labels, fold, lambda done: None)

    assert answers.probe[-1] != 2
    assert answers.neighbours[-1] != 2
    assert (answers.probe[:-1] == labels[:-1]).mean() > 0.8
    assert len(set(probe.folds(threes, [str(n) for n in range(120)]))) == 3
    with pytest.raises(BadFolder, match="a single training or validation image"):
        probe.folds(np.arange(4), list("abcd"))
    assert (probe.logistic(features[:3], np.zeros(3, np.int64), features) == 0).all()


def test_logme_is_the_highest_evidence_of_the_definition() -> None:
    """By the density of the labels themselves; other precisions give less."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 30)
    features = (rng.normal(size=(30, 5)) + np.eye(5)[labels]).astype(np.float32)
    wide = features.astype(np.float64)

    def density(label: int, weights: float, noise: float) -> float:
        spread = np.eye(30) / noise + wide @ wide.T / weights
        target = (labels == label).astype(float)
        return float(multivariate_normal.logpdf(target, np.zeros(30), spread)) / 30

    grid = [(a, b) for a in np.logspace(-1, 3, 30) for b in np.logspace(-1, 3, 30)]
    best = [max(density(label, *pair) for pair in grid) for label in range(3)]
    ours = logme.logme(features, labels, 3)
    shuffled = logme.logme(features, rng.permutation(labels), 3)

    assert ours == pytest.approx(np.mean(best), abs=0.005)
    assert ours > shuffled


def test_more_images_than_memory_wants_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over parts are those over all."""
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(50, 4)).astype(np.float32), rng.integers(0, 2, 50)
    whole = logme.logme(features, labels, 2)

    monkeypatch.setattr(logme, "AT_ONCE", 7)

    assert logme.logme(features, labels, 2) == pytest.approx(whole)
