"""What counts as having learned nothing: by answers and true classes, whatever the accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.analysis import unlearned
from orchestrator.analysis.predictions import Predictions, TrialPredictions


def predictions(labels: list[int], classes: int) -> Predictions:
    """Test images of these classes."""
    names = tuple(f"class {code}" for code in range(classes))
    images = tuple(f"{place}.jpg" for place in range(len(labels)))
    return Predictions(images, names, np.array(labels, np.int32))


def answers(codes: list[int]) -> TrialPredictions:
    """One trial's answers, without confidence."""
    size = len(codes)
    return TrialPredictions(
        np.array(codes, np.int32), np.full(size, np.nan, np.float32), np.full(size, -1, np.int32)
    )


def judged(labels: list[int], codes: list[int], classes: int) -> unlearned.Unlearned | None:
    """The verdict on one trial."""
    return unlearned.judge_trial(predictions(labels, classes), 0, answers(codes))


BALANCED = list(range(10)) * 20


def test_one_answer_to_nearly_all_images_is_nothing_learned() -> None:
    """196 of 200 images are answered with class 3; the rest as they come."""
    codes = [3] * 196 + [0, 1, 2, 3]
    found = judged(BALANCED, codes, 10)

    assert found is not None
    assert (found.answer, found.one_answer) == ("class 3", True)
    assert found.share == pytest.approx(197 / 200)


def test_a_few_lucky_answers_beside_the_constant_one_change_nothing() -> None:
    """Every image of class 0 up to the fourth is right, all others are answered with 3."""
    codes = [0 if label == 0 and place < 40 else 3 for place, label in enumerate(BALANCED)]

    assert judged(BALANCED, codes, 10) is not None


def test_most_images_of_one_class_do_not_make_a_good_network_constant() -> None:
    """97% of the images are fine; the network finds 20 of 30 defects and answers 98% with fine."""
    labels = [0] * 970 + [1] * 30
    found = judged(labels, [0] * 970 + [1] * 20 + [0] * 10, 2)
    constant = judged(labels, [0] * 1000, 2)

    assert found is None
    assert constant is not None
    assert constant.accuracy == pytest.approx(0.97)


def test_answers_at_random_are_nothing_learned_where_that_is_well_measured() -> None:
    """Of 20,000 images it can be said, of 30 it cannot."""
    rng = np.random.default_rng(0)
    many = rng.integers(0, 10, (2, 20_000)).tolist()
    few = rng.integers(0, 10, (2, 30)).tolist()
    found = judged(*many, classes=10)

    assert found is not None
    assert not found.one_answer
    assert judged(*few, classes=10) is None


def test_a_weak_network_has_learned_something() -> None:
    """Three times chance with 100 classes; 60% with two."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 100, 5000)
    weak = np.where(rng.random(5000) < 0.02, labels, rng.integers(0, 100, 5000))
    two = rng.integers(0, 2, 500)
    better = np.where(rng.random(500) < 0.2, two, rng.integers(0, 2, 500))

    assert judged(labels.tolist(), weak.tolist(), 100) is None
    assert judged(two.tolist(), better.tolist(), 2) is None


def test_too_few_images_or_a_single_class_show_nothing() -> None:
    """Nine images; images of one class, all answered with it."""
    assert judged([0, 1, 2] * 3, [0] * 9, 3) is None
    assert judged([1] * 50, [1] * 50, 3) is None


def test_a_network_has_learned_nothing_only_with_all_its_seeds() -> None:
    """One of two seeds is constant; the baselines are of the test images."""
    labels = [0, 0, 1] * 10
    book = predictions(labels, 4)
    constant, good = answers([0] * 30), answers(labels)
    found = unlearned.judge_learning(
        book,
        {("a", 1): [(0, constant), (1, good)], ("b", 1): [(0, constant)], ("c", 1): [(0, good)]},
    )

    assert [found.nothing(name, 1) for name in "abc"] == [False, True, False]
    assert [trial.seed for trial in found.trials("a", 1)] == [0]
    assert found.learned(["a", "b", "c"], 1) == ["a", "c"]
    assert found.baselines == unlearned.Baselines(0.25, "class 0", pytest.approx(2 / 3))
