"""What races and tuning decide between periods, and what then is ready, stopped or over."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_races import Race, known, race_of, ready

from jobs import atomic, readiness
from jobs.maintenance import prune, verify
from jobs.racing import stopping_rule
from jobs.racing.record_decisions import decide
from jobs.store import decisions
from jobs.task import Task

THREE = ("scratch", "squeezenet", "resnet34")


@pytest.fixture
def race(tmp_path: Path) -> Race:
    """Three networks over three periods."""
    return race_of(tmp_path / "store", THREE)


def first_period(race: Race, scratch: int = 90, squeezenet: int = 150, resnet: int = 155) -> None:
    """All three networks are trained for a period, with so many images right."""
    race.trained("scratch", 1, scratch)
    race.trained("squeezenet", 1, squeezenet)
    race.trained("resnet34", 1, resnet)


def test_no_network_goes_on_before_all_have_ended_the_period(race: Race) -> None:
    """The next training is ready only when the decision is made, and that needs every network."""
    race.trained("resnet34", 1, 155)
    race.trained("scratch", 1, 90)
    early = decide(race.store, race.run)
    waiting = ready(race)
    race.trained("squeezenet", 1, 150)
    undecided = ready(race)

    assert not early
    assert waiting == {"squeezenet 2"}
    assert undecided == set()
    assert not readiness.is_ready(race.store, Task("train", race.trial("resnet34"), 4))


def test_a_network_far_behind_stops_and_the_others_go_on(race: Race) -> None:
    """Its later tasks count as stopped; a near one stays in the race."""
    first_period(race)
    decided = decide(race.store, race.run)
    states = readiness.task_states(race.store, race.run)
    loser = race.trial("scratch")

    assert decided
    assert known(race).stopped == {loser: 2}
    assert ready(race) == {"squeezenet 4", "resnet34 4"}
    assert states[f"train.{loser}.0004"] == states[f"evaluate.{loser}.0006"] == "stopped"
    assert states[f"evaluate.{loser}.0002"] == "open"
    assert not readiness.is_ready(race.store, Task("train", loser, 4))
    assert readiness.is_ready(race.store, Task("evaluate", loser, 2))


def test_a_run_is_over_when_all_else_is_done(race: Race) -> None:
    """Nothing but done and stopped is left."""
    first_period(race, scratch=20, squeezenet=30)
    decide(race.store, race.run)
    for period in (2, 3):
        race.trained("resnet34", period, 160)
    for task in map(Task.parse, race.run.tasks):
        if known(race).allows(task):
            race.done(task, epoch=task.epoch, correct=1, total=2, accuracy=0.5, loss=1.0)

    assert known(race).pending is None
    assert set(readiness.task_states(race.store, race.run).values()) == {"done", "stopped"}


def test_who_decides_twice_writes_the_same_bytes(race: Race) -> None:
    """A decision that is lost, or damaged, is made again from the same answers."""
    first_period(race)
    decide(race.store, race.run)
    path = race.store.decision_path(race.run.name, 1)
    written = path.read_bytes()
    decide(race.store, race.run)
    again = path.read_bytes()
    path.unlink()
    decide(race.store, race.run)
    lost = path.read_bytes()
    path.write_bytes(written[:40])
    torn = known(race).made
    decide(race.store, race.run)

    assert again == lost == path.read_bytes() == written
    assert torn == ()


def test_a_decision_is_found_again_by_verify(race: Race) -> None:
    """One that does not follow from the answers is named, removed, and made again as it was."""
    first_period(race)
    decide(race.store, race.run)
    path = race.store.decision_path(race.run.name, 1)
    true = path.read_bytes()
    path.write_bytes(true.replace(b'"left": 2', b'"left": 1'))
    checks = list(verify.verify_files(race.store, race.run))
    bad = [check for check in checks if check.problem and "decisions" in check.path]
    verify.remove_damaged(race.store, bad)
    decide(race.store, race.run)

    assert [check.problem for check in bad] == ["does not follow from the published answers"]
    assert path.read_bytes() == true


def test_answers_to_test_images_decide_nothing(race: Race) -> None:
    """The rule reads one table, and without it a network is neither stopped nor the leader."""
    first_period(race)
    loser = race.trial("scratch")
    place = race.store.root / f"results/validation_predictions/trial={loser}/e0002.parquet"
    place.unlink()
    decide(race.store, race.run)
    look = known(race).made[0].look

    assert look is not None
    assert look.absent == ("scratch",)
    assert known(race).stopped == {}
    assert ready(race) == {"scratch 4", "squeezenet 4", "resnet34 4"}


def test_a_failed_network_does_not_hold_the_others_up(race: Race) -> None:
    """It is not compared; once it is tried again it takes part in later looks."""
    race.trained("squeezenet", 1, 150)
    race.trained("resnet34", 1, 155)
    race.failed(Task("train", race.trial("scratch"), 2), "bug")
    decided = decide(race.store, race.run)

    assert decided
    assert ready(race) == {"squeezenet 4", "resnet34 4"}
    assert known(race).made[0].left == 3


def test_all_seeds_of_a_network_stop_together(tmp_path: Path) -> None:
    """With several seeds the rule counts seeds and images, as the report does."""
    race = race_of(tmp_path / "store", ("scratch", "resnet34"), seeds=3)
    for seed, (low, high) in enumerate(((60, 150), (62, 152), (61, 149))):
        race.trained("scratch", 1, low, seed)
        race.trained("resnet34", 1, high, seed)
    decide(race.store, race.run)
    look = known(race).made[0].look

    assert look is not None
    assert look.seeds == 3
    assert set(known(race).stopped) == {race.trial("scratch", seed) for seed in range(3)}


def test_resume_all_carries_stopped_networks_on(race: Race) -> None:
    """They become ready, nothing more is decided, and what was decided stays on record."""
    first_period(race)
    decide(race.store, race.run)
    decisions.carry_on(race.store, race.run.name, 1.0)

    assert ready(race) == {"scratch 4", "squeezenet 4", "resnet34 4"}
    assert known(race).pending is None
    assert "stopped" not in readiness.task_states(race.store, race.run).values()
    assert known(race).made[0].stopped == {race.trial("scratch"): 2}


def test_another_run_without_race_trains_a_stopped_trial_on(race: Race, tmp_path: Path) -> None:
    """The trial is stopped for the run that races, and for it alone."""
    first_period(race)
    decide(race.store, race.run)
    loser = race.trial("scratch")
    plain = race.run.spec.model_copy(update={"race": False, "name": "plain"})
    tasks = tuple(task for task in race.run.tasks if loser in task or task.startswith("prepare"))
    fields = {name: getattr(race.run, name) for name in ("data", "submitted_at", "provenance")}
    other = type(race.run)(name="plain", spec=plain, trials=(loser,), tasks=tasks, **fields)
    race.store.save_trial(race.store.load_trial(loser), [2, 4, 6], "plain")
    race.store.save_run(other)

    assert readiness.is_ready(race.store, Task("train", loser, 4))
    assert Task("train", loser, 4) in readiness.ready_tasks(race.store, other)
    assert Task("train", loser, 4) not in readiness.ready_tasks(race.store, race.run)


def test_prune_takes_a_stopped_trial_as_finished(race: Race) -> None:
    """Its last checkpoint stays with `last`, the others may go; others' trials stay as they are."""
    first_period(race)
    decide(race.store, race.run)
    loser = race.trial("scratch")
    race.done(Task("evaluate", loser, 2), correct=1, total=2)
    folder = race.store.checkpoints_folder(loser)
    for epoch in (1, 2):
        folder.mkdir(exist_ok=True)
        (folder / f"e{epoch:04d}-t1.pt").write_bytes(b"x")
        atomic.write_json(folder / f"e{epoch:04d}-t1.json", {"sha256": "0", "bytes": 1})
    kept = f"trials/{loser}/checkpoints/e0002-t1.pt"
    race.done(Task("train", loser, 2), epoch=2, checkpoint=kept)
    gone = [item.path.name for item in prune.find_prunable(race.store, [race.run], {"last"})]

    assert gone == ["e0001-t1.pt"]


def test_a_network_on_its_way_past_the_leader_goes_on(race: Race) -> None:
    """It is as far behind as one that has stopped learning, which stops."""
    race.trained("scratch", 1, 100, before=10)
    race.trained("squeezenet", 1, 100)
    race.trained("resnet34", 1, 160)
    decide(race.store, race.run)
    look = known(race).made[0].look
    told = {each.network: each for each in look.contenders} if look else {}

    assert known(race).stopped == {race.trial("squeezenet"): 2}
    assert told["scratch"].p_corrected == told["squeezenet"].p_corrected < stopping_rule.LEVEL
    assert told["scratch"].forecast > 0.8 > told["squeezenet"].forecast
