"""Which value of a tuned key each network goes on with."""

from __future__ import annotations

from pathlib import Path

from support.fake_races import known, race_of, ready

from jobs import readiness
from jobs.racing.record_decisions import decide
from jobs.task import Task

RATES = {"tune": "learning_rate"}


def test_each_network_goes_on_with_its_own_best_rate(tmp_path: Path) -> None:
    """The other values stop after a period, at no loss for the chosen one."""
    race = race_of(tmp_path / "store", ("scratch", "resnet34"), **RATES)
    for rate, scratch, resnet in ((0.001, 100, 150), (0.0001, 60, 170), (0.0003, 90, 160)):
        race.trained("scratch", 1, scratch, learning_rate=rate)
        race.trained("resnet34", 1, resnet, learning_rate=rate)
    race.trained("scratch", 1, 130, learning_rate=0.003)
    before = ready(race)
    race.trained("resnet34", 1, 120, learning_rate=0.003)
    decide(race.store, race.run)
    chosen = {choice.network: choice.chosen for choice in known(race).made[0].choices}

    assert before == {"resnet34 2"}
    assert chosen == {"scratch": 0.003, "resnet34": 0.0001}
    assert ready(race) == {"scratch 4", "resnet34 4"}
    assert len(known(race).stopped) == 6


def test_a_rate_that_diverges_is_not_chosen_and_fails_no_run(tmp_path: Path) -> None:
    """Its failed training counts as stopped; another failure stays one."""
    race = race_of(tmp_path / "store", ("scratch",), **RATES)
    race.trained("scratch", 1, 100)
    race.trained("scratch", 1, 90, learning_rate=0.0003)
    worst, broken = (race.trial("scratch", learning_rate=rate) for rate in (0.003, 0.0001))
    race.failed(Task("train", worst, 2), "loss-not-finite")
    race.failed(Task("train", broken, 2), "bug")
    decide(race.store, race.run)
    states = readiness.task_states(race.store, race.run)

    assert known(race).made[0].choices[0].chosen == 0.001
    assert states[f"train.{worst}.0002"] == "stopped"
    assert states[f"train.{broken}.0002"] == "failed"


def test_a_race_begins_after_the_period_that_tunes(tmp_path: Path) -> None:
    """Answers that chose the rates are no look of the race."""
    race = race_of(tmp_path / "store", ("scratch", "resnet34"), tune="learning_rate", race=True)
    for rate in (0.001, 0.0001, 0.0003, 0.003):
        race.trained("scratch", 1, 60, learning_rate=rate)
        race.trained("resnet34", 1, 160, learning_rate=rate)
    decide(race.store, race.run)
    for name in ("scratch", "resnet34"):
        race.trained(name, 2, 60 if name == "scratch" else 160)
    decide(race.store, race.run)
    first, second = known(race).made

    assert first.look is None
    assert second.look is not None
    assert (second.look.number, second.look.looks, second.look.rivals) == (1, 1, 1)
    assert second.stopped == {race.trial("scratch"): 4}
