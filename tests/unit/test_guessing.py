"""A network that is not shown to be better than guessing is not recommended, however fast."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.collapsed import collapse
from support.fakes import fill_store
from support.priced import measure

from jobs.statistics.interval import Interval
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import constraints
from orchestrator.analysis.analysis import Analysis, analyse
from orchestrator.analysis.chance import above_chance
from orchestrator.analysis.run_data import RunData, read_run_data
from orchestrator.report import decision_words, first_sentence, guessing
from orchestrator.report.decision_screen import first_screen
from orchestrator.report.headline import compose

LIMITS = constraints.read("50ms", None)


@pytest.fixture
def benchmarked(tmp_path: Path) -> tuple[Store, Run]:
    """MobileNet V3 (6 ms) and Scratch (2 ms) on 24 test images of four classes."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["mobilenet-v3", "scratch"],
        classes=("ape", "bear", "cat", "dog"),
        images_a_class=30,
        periods=1,
        pixels=False,
        name="study",
    )
    for trial in run.trials:
        measure(store, trial)
    return store, run


def told(at: tuple[Store, Run]) -> tuple[RunData, Analysis]:
    """Run data and analysis under a limit of 50 ms."""
    run_data = read_run_data(*at)
    return run_data, analyse(run_data, None, LIMITS)


def guess(store: Store, run: Run, backbone: str) -> None:
    """Most answers are the same class, so that the accuracy's interval includes chance."""
    collapse(store, run, backbone, answer="ape", share=0.5)


def test_none_is_recommended_where_all_may_guess(benchmarked: tuple[Store, Run]) -> None:
    """Neither the sentence nor the limits, and no number stands on the first screen."""
    store, run = benchmarked
    for backbone in ("mobilenet-v3", "scratch"):
        guess(store, run, backbone)
    run_data, analysis = told(benchmarked)
    sentence, words = (
        first_sentence.sentence(run_data, analysis),
        decision_words.answer(run_data, analysis),
    )
    screen = first_screen(run_data, analysis)

    assert run_data.learned
    assert run_data.better_than_guessing == []
    assert sentence.startswith("After epoch 2, no network is shown to be better than guessing: ")
    assert "chance is 25.0%" in sentence
    assert guessing.REMEDY in sentence
    assert "faster" not in compose(run_data, analysis).sentence
    assert compose(run_data, analysis).cost == ""
    assert "Within 50 ms or beyond, no network is shown to be better than guessing" in words
    assert analysis.decision is not None
    assert analysis.decision.choice is None
    assert (screen.figures, screen.picture) == ((), None)


def test_the_fastest_is_not_taken_where_it_may_guess(benchmarked: tuple[Store, Run]) -> None:
    """With a limit that only it keeps; the other one is the closest."""
    guess(*benchmarked, "scratch")
    run_data = read_run_data(*benchmarked)
    analysis = analyse(run_data, None, constraints.read("3ms", None))
    decision = analysis.decision

    assert decision is not None
    assert decision.choice is None
    assert decision.closest == "mobilenet-v3"
    words = " ".join(decision_words.sureness(run_data, analysis))
    assert "Not recommended, although it fits: Scratch" in words


def test_a_network_above_chance_is_taken_as_before(benchmarked: tuple[Store, Run]) -> None:
    """And the sentence ranks."""
    run_data, analysis = told(benchmarked)

    assert {*run_data.better_than_guessing} == {"mobilenet-v3", "scratch"}
    assert analysis.decision is not None
    assert analysis.decision.choice is not None
    assert "guessing" not in first_sentence.sentence(run_data, analysis)


def test_the_interval_decides(benchmarked: tuple[Store, Run]) -> None:
    """Touching chance is not above it; without an interval or chance nothing speaks against it."""
    standing = read_run_data(*benchmarked).comparison.at(1)[0]
    over = replace(standing, over_splits=Interval(0.25, 0.6))

    assert not above_chance(over, 0.25)
    assert above_chance(over, 0.249)
    assert above_chance(over, None)
