"""What would settle which network is better: by the power that a dry run computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from orchestrator.analysis.analysis import Analysis, analyse
from orchestrator.analysis.power import POWER, Power
from orchestrator.analysis.run_data import RunData, read_run_data
from orchestrator.report import cautions, settling_words


def read(folder: Path, **asked: Any) -> tuple[RunData, Analysis]:
    """A run of two networks that are close, on some sixty test images."""
    store, run = fill_store(
        folder / "store",
        backbones=["resnet34", "vgg16"],
        classes=("ape", "bear", "cat"),
        images_a_class=100,
        periods=1,
        pixels=False,
        name="study",
        **asked,
    )
    run_data = read_run_data(store, run)
    return run_data, analyse(run_data)


def test_one_seed_needs_the_images_that_mcnemars_power_asks_for(tmp_path: Path) -> None:
    """For the difference and the disagreement that were seen; a tenth fewer do not do."""
    run_data, analysis = read(tmp_path)
    one = analysis.settling
    (test,) = analysis.paired_tests
    assert one is not None
    assert test.only_first is not None
    assert test.only_second is not None
    assert one.enough_images is not None
    now = test.images
    power = Power(now, 1, 1, (test.only_first + test.only_second) / now, one.noise)

    assert one.disagreement == pytest.approx(power.disagreement)
    assert one.difference == pytest.approx(abs(test.difference))
    assert power.power(one.enough_images, 1, one.difference) >= POWER
    assert power.power(one.enough_images * 9 // 10, 1, one.difference) < POWER
    assert one.visible == power.visible
    told = "\n".join(cautions.cautions(run_data, analysis))
    more = -(-(one.enough_images - now) // 100) * 100
    assert f"about {more:,} more test images ({one.enough_images:,} in all)" in told
    assert "; --splits 5 shows " in told


def test_splits_are_proposed_with_what_they_show(tmp_path: Path) -> None:
    """By the power of the corrected resampled t-test; they would do only where that suffices."""
    run_data, analysis = read(tmp_path)
    one = analysis.settling
    assert one is not None
    assert one.visible_with_splits is not None
    enough = replace(one, difference=one.visible_with_splits + 0.01)
    few = replace(one, difference=one.visible_with_splits - 0.01)

    assert ", enough." in settling_words.sentence(run_data, enough)
    assert " or more." in settling_words.sentence(run_data, few)


def test_a_tie_is_settled_by_no_number_of_images(tmp_path: Path) -> None:
    """It is said, with what the images show."""
    run_data, analysis = read(tmp_path)
    assert analysis.settling is not None
    tied = replace(analysis.settling, difference=0.0, enough_images=None)

    assert "have the same accuracy, and no number of images" in settling_words.sentence(
        run_data, tied
    )


def test_nothing_is_to_settle_where_the_best_is_ahead(tmp_path: Path) -> None:
    """Or where another metric than accuracy leads, of which the power says nothing."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34", "scratch"],
        classes=("ape", "bear", "cat", "dog"),
        images_a_class=60,
        periods=1,
        pixels=False,
        name="study",
    )
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)

    assert analysis.verdict is not None
    assert not analysis.verdict.alike
    assert analysis.settling is None
    assert settling_words.sentence(run_data, None) == ""


def test_seeds_that_scatter_are_settled_by_seeds(tmp_path: Path) -> None:
    """The variance that was measured between seeds counts, not only that of single images."""
    calm = Power(images=400, pairs=1, seeds=3, disagreement=0.1, noise=0.05)
    wild = replace(calm, between=0.004)

    assert calm.visible is not None
    assert wild.visible is not None
    assert wild.visible > 2 * calm.visible
    assert wild.images_for(0.05) is None
    assert (wild.seeds_for(0.1) or 99) > 3


def test_the_scatter_that_few_images_explain_goes_with_more_of_them() -> None:
    """Seeds differ on 80 images by as much as single images make them, and by no more."""
    small = Power(images=80, pairs=1, seeds=2, disagreement=0.25, noise=0.2)
    seen = replace(small, between=small.noise / small.images)
    more = replace(small, between=2 * small.noise / small.images)

    assert seen.images_for(0.1) == small.images_for(0.1)
    assert (more.images_for(0.1) or 10**9) > (seen.images_for(0.1) or 0) > 80


def test_several_splits_are_measured_on_every_split(tmp_path: Path) -> None:
    """Images of a split, and no proposal of what was done already."""
    run_data, analysis = read(tmp_path, recipe={"splits": 3})
    one = analysis.settling
    assert one is not None

    assert abs(one.images - run_data.test_images) <= 1  # the mean of the splits
    assert "--splits" not in settling_words.sentence(run_data, one)
    assert " a split " in settling_words.sentence(run_data, one)


def test_what_no_realistic_number_of_images_shows_is_said_so(tmp_path: Path) -> None:
    """Instead of a number that nobody can collect."""
    run_data, analysis = read(tmp_path)
    assert analysis.settling is not None
    tiny = replace(analysis.settling, difference=1e-6, enough_images=None)

    assert "not 10,000,000 test images; --splits 5" in settling_words.sentence(run_data, tiny)
