"""Which trained network of each is benchmarked, where there are several."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_races import race_of
from support.fakes import fill_store

from jobs.errors import OrchError
from jobs.racing.record_decisions import decide
from jobs.settings import Settings
from jobs.store import splits
from jobs.task import Task
from orchestrator.submission import bench

RATES = {"tune": "learning_rate"}


def test_of_a_tuned_run_the_chosen_value_is_benchmarked(tmp_path: Path) -> None:
    """One network each, and none before the choice."""
    race = race_of(tmp_path / "store", ("scratch", "resnet34"), **RATES)
    settings = Settings(race.store.root, None, None)
    (race.store.root / "0002.pt").touch()
    for place, rate in enumerate((0.001, 0.0001, 0.0003, 0.003)):
        for name in ("scratch", "resnet34"):
            trial = race.trained(name, 1, 100 + place, learning_rate=rate)
            race.done(Task("train", trial, 2), epoch=2, checkpoint="0002.pt")
            race.done(Task("evaluate", trial, 2))

    with pytest.raises(OrchError, match="has not chosen a learning_rate for each network yet"):
        bench.check(settings, race.store, race.run, runtimes=["torch"])
    decide(race.store, race.run)
    asked = bench.check(settings, race.store, race.run, runtimes=["torch"])

    best = [race.trial(name, learning_rate=0.003) for name in ("scratch", "resnet34")]
    assert {task.subject for task in asked.tasks} == set(best)
    assert len(asked.tasks) == 2


def test_one_network_each_is_benchmarked_that_of_the_first_split(
    tmp_path: Path,
) -> None:
    """Latency and size are those of the network, whatever images it has seen."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        periods=1,
        seeds=2,
        pixels=False,
        recipe={"splits": 2},
    )
    (store.root / "0002.pt").touch()
    asked = bench.check(Settings(store.root, None, None), store, run, runtimes=["torch"])
    of_trial = splits.by_trial(store, run)

    assert [of_trial[task.subject] for task in asked.tasks] == [0, 0]
    assert len({store.load_trial(task.subject).backbone for task in asked.tasks}) == 2
