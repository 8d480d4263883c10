"""What is compared with what: splits of different difficulty, curves that ended early."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_races import race_of
from support.fakes import fill_store

from jobs.racing import published, stopping_rule
from jobs.store import splits
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis.run_data import read_run_data


def test_networks_are_ranked_on_the_splits_that_all_have(tmp_path: Path) -> None:
    """One that failed on a hard split does not lead by that."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "vgg16"],
        periods=1,
        pixels=False,
        recipe={"splits": 3},
        finished=lambda task: task.kind == "prepare" or not is_of_a_failed_trial(tmp_path, task),
    )
    standings = read_run_data(store, run).comparison.at(1)

    assert {one.backbone: len(one.results) for one in standings} == {"scratch": 2, "vgg16": 2}


def is_of_a_failed_trial(folder: Path, task: Task) -> bool:
    """That of Scratch on the third split."""
    store = Store(folder)
    trial = store.load_trial(task.subject)
    return trial.backbone == "scratch" and splits.split_of(store, trial.data) == 2


def test_a_network_that_stopped_early_is_forecast_where_it_is(tmp_path: Path) -> None:
    """It learns no more, however steep its curve was; another one goes on."""
    race = race_of(tmp_path / "store", ("scratch", "squeezenet"))
    trial = race.trained("scratch", 1, 150, before=100)
    still = published.errors(race.store, [trial], 2)
    early = published.errors(race.store, [trial], 4)

    assert (still, len(early), len(set(early))) == (pytest.approx([0.5, 0.25]), 4, 1)
    assert stopping_rule.forecast(early, 100, 200) == pytest.approx(0.25)
    assert (stopping_rule.forecast(still, 100, 200) or 1) < 0.25


def test_with_keep_best_the_curve_is_of_the_best_so_far(tmp_path: Path) -> None:
    """The network that is tested does not grow worse by a bad last epoch."""
    race = race_of(tmp_path / "store", ("scratch", "squeezenet"), race=True, keep="best")
    trial = race.trained("scratch", 1, 100, before=150)

    assert published.errors(race.store, [trial], 2) == pytest.approx([0.25, 0.25])
