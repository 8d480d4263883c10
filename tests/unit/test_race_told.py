"""How races and tuning are told: report, status, metrics, resume, and why some are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from support.fake_races import Race, known, race_of

from jobs import readiness
from jobs.errors import BadSpec
from jobs.racing.record_decisions import decide
from jobs.spec import model
from jobs.store.tables import read_rows
from jobs.task import Task
from orchestrator import cli
from orchestrator.analysis import racing
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.load import load_results
from orchestrator.analysis.run_data import read_run_data
from orchestrator.commands.status import _trials
from orchestrator.monitoring.status import run_status
from orchestrator.prometheus.task_counts import count_tasks
from orchestrator.report import json_facts
from orchestrator.report.headline import compose
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.racing import section, tuning_told
from workers import race_decisions

THREE = ("scratch", "squeezenet", "resnet34")


@pytest.fixture
def decided(tmp_path: Path) -> Race:
    """A race of three networks over three periods, of which one stopped after the first."""
    race = race_of(tmp_path / "store", THREE)
    for name, right in (("scratch", 60), ("squeezenet", 150), ("resnet34", 155)):
        race.trained(name, 1, right)
    decide(race.store, race.run)
    return race


def test_whoever_ends_the_last_training_enqueues_what_goes_on(tmp_path: Path) -> None:
    """The decision is made by the worker whose training was the last; by nobody before."""
    race = race_of(tmp_path / "store", THREE)
    race.trained("scratch", 1, 60)
    race.trained("squeezenet", 1, 150)
    early = race_decisions.after(race.store, Task("train", race.trial("squeezenet"), 2))
    race.trained("resnet34", 1, 155)
    last = Task("train", race.trial("resnet34"), 2)
    following = {task for task in race_decisions.after(race.store, last) if task.kind == "train"}

    assert early == []
    assert following == {Task("train", race.trial(name), 4) for name in ("squeezenet", "resnet34")}
    assert Task("train", race.trial("resnet34"), 4) in readiness.next_tasks(race.store, last)


def test_damaged_answers_put_a_decision_off_and_stop_nothing_else(tmp_path: Path) -> None:
    """The worker goes on; `orch verify` names the file."""
    race = race_of(tmp_path / "store", THREE)
    for name in THREE:
        race.trained(name, 1, 100)
    place = f"results/validation_predictions/trial={race.trial('scratch')}/e0002.parquet"
    (race.store.root / place).write_bytes(b"PAR1")

    assert not race_decisions.due(race.store, race.run)
    assert known(race).made == ()


def test_status_says_why_a_network_stopped(decided: Race) -> None:
    """In a line of its own, and it counts no epochs that nobody trains."""
    status = run_status(decided.store, decided.run)
    line = next(line for line in _trials(status.trials) if line.startswith("scratch"))
    decided.done(Task("evaluate", decided.trial("scratch"), 2), correct=1, total=2, accuracy=0.5)
    after = run_status(decided.store, decided.run).trials
    trial = next(each for each in after if each.backbone == "scratch")

    assert "stopped after period 1, 47.5 points behind resnet34 on validation images" in line
    assert (trial.state, trial.epochs_done, trial.epochs_left) == ("stopped", 2, 0)


def test_metrics_count_stopped_tasks_and_what_waits_for_a_decision(decided: Race) -> None:
    """After the decision the second period of two networks is ready, the third of none."""
    outline = decided.store.outline(decided.run.name)
    ledger = decided.store.ledger()
    counts = count_tasks(decided.store, [outline], ledger, (), ())
    decided.trained("resnet34", 2, 160)
    later = count_tasks(decided.store, [outline], decided.store.ledger(), (), ())

    assert counts.tasks["stopped", "train"] == 2
    assert counts.tasks["ready", "train"] == 2
    assert later.tasks["ready", "train"] == 1


def test_a_report_says_who_stopped_when_why_and_what_was_saved(decided: Race) -> None:
    """A third of the epochs of three networks over three periods, less one period."""
    for name in ("squeezenet", "resnet34"):
        for period in (2, 3):
            decided.trained(name, period, 150)
    run_data = read_run_data(decided.store, decided.run)
    analysis = analyse(run_data)
    content = section(ReportData(run_data, analysis, Gallery(run_data)))
    told = racing.savings(run_data)
    facts = json_facts.collect(run_data, analysis, compose(run_data, analysis))

    assert content is not None
    assert content.parts[0].rows[0][:3] == ("Scratch", "1 (epoch 2)", "ResNet34")  # type: ignore[union-attr]
    assert told.share == pytest.approx(4 / 18)
    assert facts["decisions"]["image_epochs_saved"] == told.saved
    assert facts["tasks"]["stopped"] == 4


def test_what_another_run_trained_of_a_stopped_network_counts_nowhere(decided: Race) -> None:
    """Otherwise the answer would follow from what else the store holds."""
    trial = decided.trained("scratch", 2, 199)
    decided.trained("resnet34", 2, 155)
    stored = read_rows(decided.store.root, "epochs", [trial])
    loaded = load_results(decided.store, decided.run).epochs
    kept = loaded.filter(pc.field("trial") == trial)

    assert max(stored["epoch"].to_pylist()) == 4
    assert max(kept["epoch"].to_pylist()) == 2
    assert max(loaded["epoch"].to_pylist()) == 4


def test_a_report_says_whether_the_lead_survives_tuning(tmp_path: Path) -> None:
    """First by validation with the recipe's own rate, and with each network's best."""
    race = race_of(tmp_path / "store", ("scratch", "resnet34"), tune="learning_rate")
    for rate, scratch, resnet in (
        (0.001, 100, 110),
        (0.0001, 90, 100),
        (0.0003, 95, 105),
        (0.003, 180, 109),
    ):
        race.trained("scratch", 1, scratch, learning_rate=rate)
        race.trained("resnet34", 1, resnet, learning_rate=rate)
    decide(race.store, race.run)
    lead, edge = tuning_told(known(race).made[0].choices)

    assert lead.startswith("The lead does not survive")
    assert "ResNet34 leads with the recipe's own learning_rate, but Scratch leads with" in lead
    assert edge.startswith("At the edge of the values tried: Scratch.")


def test_resume_all_is_for_runs_that_stop_trials(
    tmp_path: Path, decided: Race, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Others, and those that have stopped none so far, are refused, and nothing is written."""
    plain = race_of(tmp_path / "other", THREE, race=False)
    early = race_of(tmp_path / "early", THREE)
    for race, why in (
        (plain, "was submitted without --race and --tune"),
        (early, "was stopped so far, so --all would only end its race"),
    ):
        monkeypatch.setenv("ORCH_STORE", str(race.store.root))
        code = cli.run(["resume", race.run.name, "--all", "--no-workers"])

        assert code == 2
        assert why in capsys.readouterr().err
        assert not race.store.carried_on_path(race.run.name).exists()


REFUSED = [
    ({"race": True, "backbones": ["vgg16"]}, "race compares networks, and there is only vgg16"),
    ({"race": True, "periods": 1}, "it needs 2 periods or more, not 1"),
    ({"race": True, "metric": "macro-f1"}, "race compares networks by accuracy, not by macro-f1"),
    ({"race": True, "tune": "learning_rate", "periods": 2}, "it needs 3 periods or more, not 2"),
    ({"tune": "learning_rate", "periods": 1}, "after the first of several periods"),
    ({"tune": "learning_rat"}, "Did you mean 'learning_rate'?"),
    ({"race": True, "splits": 3}, "validation images of one split"),
    ({"tune": "learning_rate", "splits": 2}, "validation images of one split"),
    ({"tune": "data"}, "tune takes a key of the recipe"),
    ({"tune": "momentum"}, "tune momentum needs several values of momentum"),
    ({"tune": 3}, "a key of the recipe, such as learning_rate, is needed"),
    ({"race": "perhaps"}, "race"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_could_decide_nothing_is_refused(given: dict[str, Any], words: str) -> None:
    """In one line, with what to change."""
    with pytest.raises(BadSpec, match=re.escape(words)) as refused:
        model.build({"backbones": ["vgg16", "resnet34"], "data": "digits", **given})

    assert "\n" not in str(refused.value)


def test_a_ladder_stands_around_each_networks_own_rate() -> None:
    """Other networks and names of runs without tuning stay as they were."""
    entries = ["vgg16", {"name": "resnet34", "learning_rate": 0.02}]
    asked = {"backbones": entries, "data": "digits"}
    plain, tuned = model.build(asked), model.build({**asked, "tune": "learning-rate"})

    assert tuned.lists_of("vgg16")["learning_rate"] == (0.001, 0.0001, 0.0003, 0.003)
    assert tuned.lists_of("resnet34")["learning_rate"] == (0.02, 0.002, 0.006, 0.06)
    assert not {"race", "tune"} & model.named_by(plain).keys()
