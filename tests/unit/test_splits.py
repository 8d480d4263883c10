"""Runs on several splits: their plan and their pooled report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

import numpy as np
from scipy import stats
from support.fakes import fill_store

from jobs import plan
from jobs.catalog.metrics import METRICS
from jobs.errors import BadSpec, RequestError
from jobs.spec import model
from jobs.store import splits
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from jobs.task_title import task_title
from orchestrator.analysis.analysis import Analysis, analyse
from orchestrator.analysis.constraints import Constraints
from orchestrator.analysis.run_data import RunData, read_run_data
from orchestrator.analysis.trained_models import choose_model
from orchestrator.monitoring.status import run_status
from orchestrator.report import cautions, data_tables, first_sentence, write

ASKED: dict[str, Any] = {"data": "digits", "backbones": ["scratch", "vgg16"], "periods": 1}
CLASSES = ("ape", "bear", "cat")


def unfolded(**more: Any) -> plan.Plan:
    """The plan of a run whose data sets are named by what draws their split."""
    spec = model.build(ASKED | more)
    return plan.unfold(spec, lambda settings: f"digits-64px-{settings.split_seed}")


def test_every_network_is_trained_on_every_split() -> None:
    """Trials differ by their data set only, and the first split comes first."""
    three = unfolded(splits=3, seeds=2)

    assert three.data_sets == ("digits-64px-0", "digits-64px-1", "digits-64px-2")
    assert {(trial.backbone, trial.seed, trial.data) for trial in three.trials} == {
        (name, seed, data)
        for name in ("scratch", "vgg16")
        for seed in (0, 1)
        for data in three.data_sets
    }
    assert len({trial.name for trial in three.trials}) == 12


def test_one_split_has_the_names_of_before() -> None:
    """The key is in no name at its default, and the trials of the first split are those of one."""
    assert unfolded(splits=1).run == unfolded().run
    assert "splits" not in model.named_by(model.build(ASKED))
    assert {trial.name for trial in unfolded().trials} < {t.name for t in unfolded(splits=2).trials}


def test_the_splits_go_on_from_split_seed() -> None:
    """As many as asked for; none beyond the largest seed."""
    assert unfolded(splits=2, split_seed=7).data_sets == ("digits-64px-7", "digits-64px-8")
    with pytest.raises(BadSpec, match="leaves no room"):
        model.build(ASKED | {"splits": 2, "split_seed": 2**31 - 1})


def test_what_one_image_changes_is_that_of_the_metric(filled: tuple[Store, Run]) -> None:
    """For the log loss the variance of the images' losses; 1 where an image is right or wrong."""
    of_loss = read_run_data(*filled, metric=METRICS["loss"])
    (test,) = analyse(of_loss).paired_tests
    answers = of_loss.splits[1].predictions.answers.values()
    losses = [-np.log(one.label_confidence) for one in answers if one.label_confidence is not None]

    assert of_loss.splits[1].swing == pytest.approx(np.mean([each.var() for each in losses]))
    assert read_run_data(*filled).splits[1].swing == 1.0
    assert (0 < test.p < 1, test.higher_is_better) == (True, False)


def test_splits_count_alike_however_many_seeds_each_has(tmp_path: Path) -> None:
    """A split with one of two seeds weighs as much as the others."""
    withheld: list[str] = []

    def finished(task: Task) -> bool:
        if task.kind == "evaluate" and task.subject.startswith("resnet34") and not withheld:
            withheld.append(task.subject)
        return task.kind != "evaluate" or task.subject not in withheld

    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "resnet34"],
        classes=CLASSES,
        periods=1,
        seeds=2,
        pixels=False,
        finished=finished,
        recipe={"splits": 3},
    )
    run_data, analysis = pooled((store, run))
    (standing,) = (one for one in run_data.comparison.standings if one.backbone == "resnet34")
    by_split: dict[int | None, list[float]] = {}
    for each in standing.results:
        if each.tested:
            by_split.setdefault(each.split, []).append(each.tested.accuracy)
    middle, ends = (
        np.mean([np.mean(of_split) for of_split in by_split.values()]),
        standing.over_splits,
    )
    (test,) = analysis.paired_tests
    means = {one.backbone: one.accuracy for one in run_data.comparison.standings}
    first, second = means[test.first], means[test.second]

    assert standing.accuracy is not None
    assert (standing.accuracy.n, standing.accuracy.mean) == (5, pytest.approx(middle))
    assert middle != pytest.approx(
        np.mean([each for of_split in by_split.values() for each in of_split])
    )
    assert ends is not None
    assert (ends.low + ends.high) / 2 == pytest.approx(middle)
    assert first is not None
    assert second is not None
    assert test.difference == pytest.approx(first.mean - second.mean)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """Two networks with two seeds on three splits; nobody changes it."""
    return fill_store(
        tmp_path_factory.mktemp("store"),
        backbones=["scratch", "resnet34"],
        classes=CLASSES,
        periods=1,
        seeds=2,
        pixels=False,
        recipe={"splits": 3},
    )


def pooled(filled: tuple[Store, Run]) -> tuple[RunData, Analysis]:
    """Its run data and analysis."""
    run_data = read_run_data(*filled)
    return run_data, analyse(run_data)


def test_the_report_pools_the_splits(filled: tuple[Store, Run]) -> None:
    """Means, intervals and tests, against values gathered from the published evaluations."""
    store, run = filled
    run_data, analysis = pooled(filled)
    of_trial = splits.by_trial(store, run)
    values: dict[str, dict[int, list[float]]] = {}
    for name in run.trials:
        result = store.done(Task("evaluate", name, run.spec.epochs))
        assert result is not None
        by_split = values.setdefault(store.load_trial(name).backbone, {})
        by_split.setdefault(of_trial[name], []).append(float(result.accuracy or 0))
    means = {name: [np.mean(of[split]) for split in range(3)] for name, of in values.items()}
    (test,) = analysis.paired_tests
    counts = [
        count
        for data in run.data_sets
        for count in store.done(Task("prepare", data)).classes.values()  # type: ignore[union-attr]
    ]
    train, tested = (sum(count[name] for count in counts) for name in ("train", "test"))
    apart = np.subtract(means[test.first], means[test.second])
    variance = max(apart.var(ddof=1), 0.5 / (tested / 3) ** 2)
    error = np.sqrt(variance * (1 / 3 + tested / train))

    assert {s.backbone: s.accuracy.mean for s in run_data.comparison.standings} == pytest.approx(
        {name: np.mean(of) for name, of in means.items()}
    )
    assert test.p == pytest.approx(2 * stats.t.sf(abs(apart.mean()) / error, 2))
    assert run_data.leader is not None
    assert run_data.leader.ranking[0].backbone == max(means, key=lambda name: np.mean(means[name]))
    assert analysis.ranks is None
    assert "over 6 trainings on 3 splits" in first_sentence.sentence(run_data, analysis) or (
        "95% interval over splits" in first_sentence.sentence(run_data, analysis)
    )
    assert not any("One seed" in line for line in cautions.cautions(run_data, analysis))


def test_what_is_of_single_images_is_of_the_first_split(
    filled: tuple[Store, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says so; values of each split are in a section, report.json and the tables."""
    store, run = filled
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)
    out = tmp_path / "out"
    write.write_report(store, run, out, formats=["md", "json", "csv"])
    page, facts = (out / "report.md").read_text(), json.loads((out / "report.json").read_text())
    header = (out / "tables" / "results.csv").read_text().splitlines()[0]
    confusion = page.partition("## Confusion matrices")[2]
    counted = sum(sum(row) for row in facts["confusion"][0]["counts"])
    of_splits = {each["split_seed"] for one in facts["standings"] for each in one["trials"]}

    assert "| Network | Split 0 | Split 1 | Split 2 | Mean |" in page
    assert confusion.strip().startswith("Of split 0, the first of 3.")
    assert of_splits == {0, 1, 2}
    assert '"split_seed"' in header
    assert counted == 2 * facts["standings"][0]["trials"][0]["test"]["total"]


@pytest.mark.parametrize(("points", "shown"), [(0.01, False), (90.0, True)])
def test_a_margin_is_tested_over_splits(
    filled: tuple[Store, Run], points: float, shown: bool
) -> None:
    """In the first lines, report.json and the decision, which keeps to limits too."""
    limits = Constraints(max_size_bytes=10**9)
    run_data, analysis = write.analysed(*filled, margin=points, constraints=limits)
    (one,) = analysis.noninferior
    told = first_sentence.noninferior(run_data, analysis)

    assert run_data.leader is not None
    assert one.reference == run_data.leader.ranking[0].backbone
    assert one.shown == shown
    assert ("is at most" in told) == shown
    (row,) = data_tables.records(run_data, analysis)["noninferior"].to_pylist()
    assert (row["backbone"], row["shown"]) == (one.backbone, shown)
    assert analysis.decision is not None
    assert analysis.decision.unknown == tuple(each.backbone for each in run_data.leader.ranking)


def test_a_run_that_is_not_over_compares_the_splits_it_has(tmp_path: Path) -> None:
    """At the last period that all have reached; what is open is counted."""
    store, run = fill_store(
        tmp_path,
        backbones=["scratch", "vgg16"],
        classes=CLASSES,
        periods=2,
        pixels=False,
        recipe={"splits": 3},
        finished=lambda task: task.epoch <= 2 or task.subject.startswith("vgg16"),
    )
    run_data, analysis = pooled((store, run))

    assert (run_data.period, set(run_data.splits)) == (1, {0, 1, 2})
    assert list(run_data.states.values()).count("open") == 6
    assert "over 3 splits" in first_sentence.sentence(run_data, analysis)


def test_titles_and_status_name_the_split(filled: tuple[Store, Run]) -> None:
    """A task in Flower, and a trial of `orch status`."""
    store, run = filled
    of_trial = splits.by_trial(store, run)
    name = next(name for name, split in of_trial.items() if split == 2)

    assert " split 2 " in task_title(store, Task("train", name, run.spec.epochs))
    assert task_title(store, Task("prepare", run.data_sets[1])).endswith("split 1")
    assert {each.trial: each.split for each in run_status(store, run).trials} == of_trial


def test_one_network_is_that_of_the_first_split_unless_told(filled: tuple[Store, Run]) -> None:
    """For predictions and exports; a split that is not there is refused."""
    store, run = filled
    of_trial = splits.by_trial(store, run)

    def chosen(split: int | None) -> int:
        part = splits.chosen(store, run, split)
        return of_trial[choose_model(store, part, "resnet34", 0, None).subject]

    assert (chosen(None), chosen(2)) == (0, 2)
    assert splits.chosen(store, run, 2).data == run.data_sets[2]
    with pytest.raises(RequestError, match="splits 0 to 2"):
        splits.chosen(store, run, 4)


def test_suspects_of_any_split_are_left_out_of_that_split(filled: tuple[Store, Run]) -> None:
    """In split 1 a duplicate of each class is for testing; the rest is pooled the same way."""
    run_data, analysis = pooled(filled)
    restated = analysis.without_suspects

    assert run_data.leaks is not None
    assert run_data.leaks.images == {f"{label}/0004.jpg" for label in CLASSES}
    assert restated is not None
    left = {
        result.split: result.tested.total
        for standing in restated.run_data.comparison.standings
        for result in standing.results
        if result.tested
    }
    assert left == {
        split: part.test_images - (3 if split == 1 else 0)
        for split, part in run_data.splits.items()
    }
    assert len(restated.paired_tests) == 1
