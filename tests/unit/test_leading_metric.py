"""A report is led by the metric that the specification or --metric names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.comparisons import compared, run_of, scored
from support.fakes import fill_store

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from jobs.errors import BadSpec, RequestError
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.store.tables import build_table, read_files, table_folder, write_table
from orchestrator.analysis import leader
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.metrics import METRICS, Metric
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report import headline, page, write
from orchestrator.report.rendering import elements
from orchestrator.terminal import answer_table

CLASSES = ("ape", "bear", "cat", "dog", "eel", "fox", "gnu")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """VGG16 is right more often, but very sure where it is wrong; ResNet34 is never sure."""
    store, run = fill_store(
        tmp_path_factory.mktemp("store"),
        backbones=["vgg16", "resnet34"],
        classes=CLASSES,
        images_a_class=60,
        periods=1,
        pixels=False,
    )
    for trial in run.trials:
        better = trial.startswith("vgg16")
        rows: list[dict[str, Any]] = []
        for path in sorted((store.root / table_folder("predictions", trial)).glob("*.parquet")):
            for i, row in enumerate(read_files([path])):
                right = i % 10 > 0 if better else i % 5 > 0
                said = row["label"] if right else CLASSES[CLASSES.index(row["label"]) - 1]
                sure = (0.9 if right else 1e-12) if better else (0.6 if right else 0.2)
                more = {
                    "predicted": said,
                    "label_confidence": sure,
                    "label_rank": 0 if right else 6,
                }
                rows.append(row | more)
            write_table(path, build_table("predictions", rows))
        for path in sorted((store.root / table_folder("evaluations", trial)).glob("*.parquet")):
            tested = [
                row
                | {"correct": sum(r["label_rank"] == 0 for r in rows), "total": len(rows)}
                | {"loss": 2.858 if better else 0.730}
                for row in read_files([path])
            ]
            write_table(path, build_table("evaluations", tested))
    return store, run


@pytest.fixture(autouse=True)
def nothing_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are painted, but not laid out and written: that takes most of the time."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)


def led_by(filled: tuple[Store, Run], name: str, margin: float | None = None) -> Any:
    """The run data and the analysis led by a metric."""
    read = read_run_data(*filled, metric=METRICS[name])
    return read, analyse(read, margin)


@pytest.mark.parametrize(
    ("name", "first"),
    [("accuracy", "vgg16"), ("macro_f1", "vgg16"), ("top5", "vgg16"), ("loss", "resnet34")],
)
def test_it_decides_the_ranking_the_tests_and_the_cost(
    filled: tuple[Store, Run], name: str, first: str
) -> None:
    """A lower loss is better: for ranks, tests, margins and the Pareto front."""
    read, analysed = led_by(filled, name)

    assert read.leader.ranking[0].backbone == first
    assert read.leader.margin > 0
    assert analysed.verdict.paired_test.first_wins
    assert analysed.verdict.paired_test.gain > 0
    assert not analysed.verdict.leads
    costs = {one.backbone: one.value for one in analysed.costs}
    assert costs[first] == read.leader.ranking[0].metrics[name].mean


def test_the_first_sentence_and_the_tables_are_of_it(filled: tuple[Store, Run]) -> None:
    """The leading metric has the first column and the interval; accuracy stays."""
    read, analysed = led_by(filled, "macro_f1")
    made = page.assemble(read, analysed)
    tables = {table.name: table for table in elements.tables(made.sections)}

    assert "with a macro F1 of" in made.headline.sentence
    assert "percentage points more than ResNet34" in made.headline.sentence
    head = tables["period-1"].head
    assert head[:5] == ("Network", "Macro F1", "95% interval", "Test accuracy", "Test loss")
    assert tables["cost"].head[1] == "Macro F1"
    assert "random exchanges" in tables["duels"].title
    assert made.facts["metric"] == "macro_f1"
    assert set(made.facts["answer"]["ranking"][0]) == {"backbone", "macro_f1"}
    assert {drawing.name for drawing in made.drawings} >= {"macro-f1", "risk-coverage"}


def test_a_lower_loss_is_marked_as_best_and_told_as_less(filled: tuple[Store, Run]) -> None:
    """In words, in bold and in colours."""
    read, analysed = led_by(filled, "loss")
    made = page.assemble(read, analysed)
    tables = {table.name: table for table in elements.tables(made.sections)}
    (best,) = tables["period-1"].best
    sentence = made.headline.sentence

    assert re.search(r" less than VGG16 \(2\.858000; 95% interval over images \d\S+ to", sentence)
    assert tables["period-1"].rows[best][0] == "ResNet34"
    assert "slightly too low" in " ".join(made.headline.cautions)
    assert "No network is both cheaper and better than" in " ".join(
        drawing.caption for drawing in made.drawings if drawing.name.startswith("cost-")
    )


def test_a_network_is_at_most_a_margin_worse(filled: tuple[Store, Run]) -> None:
    """Ten points of difference are within 25 and not within 5."""
    told = {
        margin: headline.compose(*led_by(filled, "accuracy", margin / 100)).cost
        for margin in (5, 25)
    }
    (one,) = led_by(filled, "accuracy", 0.25)[1].noninferior
    printed = list(answer_table.lines(*led_by(filled, "accuracy", 0.25)))

    assert "ResNet34 is at most 25 points worse than VGG16 (p " in told[25]
    assert "ResNet34 is at most 25 points worse than VGG16 (p " in printed[1]
    assert "No network is shown to be at most 5 points worse than VGG16." in told[5]
    assert one.gain == pytest.approx(-0.1, abs=0.02)
    assert -0.25 < one.bound < one.gain


def test_several_runs_need_one_metric(filled: tuple[Store, Run], tmp_path: Path) -> None:
    """That of their specifications, or the one that is asked for."""
    store, run = filled
    _, other = fill_store(
        store.root,
        backbones=["vgg16", "resnet34"],
        classes=CLASSES,
        images_a_class=60,
        periods=1,
        pixels=False,
        name="other",
        recipe={"metric": "log-loss", "learning_rate": 0.003},
    )
    with pytest.raises(RequestError, match="different metrics"):
        write.write_comparison(store, [run, other], tmp_path, formats=["json"])
    write.write_comparison(store, [run, other], tmp_path, (), ["json"], METRICS["loss"])

    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["answer"]["sentence"].startswith(
        "Lowest test loss: ResNet34, learning_rate 0.003 in other"
    )
    assert facts["across"][0]["method"] == "permutation"


def test_predictions_that_do_not_tell_leave_no_leader() -> None:
    """Tests are there, but nothing says the macro F1."""
    before = compared(run_of(periods=1), [scored("v", 2, 60), scored("r", 2, 90)])
    led = replace(
        before,
        standings=tuple(replace(one, metric=METRICS["macro_f1"]) for one in before.standings),
    )

    assert leader.find_leader(led) is None
    assert leader.settled_period(led) == 1


@pytest.mark.parametrize(
    ("given", "taken"),
    [("macro_f1", "macro-f1"), ("Log-Loss", "log-loss"), ("loss", "log-loss"), ("top5", "top-5")],
)
def test_a_specification_takes_names_with_dashes_and_underscores(given: str, taken: str) -> None:
    """Another metric is the same run."""
    plain, asked = (
        model.build({"backbones": "scratch", **more}) for more in ({}, {"metric": given})
    )

    assert (plain.metric, asked.metric) == ("accuracy", taken)
    assert "metric" in model.NOT_ASKED


@pytest.mark.parametrize("bad", ["f1", "calibration-error", "", 3, None, ["accuracy"]])
def test_an_unknown_metric_is_refused_with_those_there_are(bad: Any) -> None:
    """At submit, before anything is written."""
    with pytest.raises(BadSpec, match=r"^metric: .*accuracy, log-loss, balanced-accuracy"):
        model.build({"backbones": "scratch", "metric": bad})


def test_the_first_five_of_few_classes_are_refused(tmp_path: Path) -> None:
    """Every answer would be right."""
    store, run = fill_store(tmp_path, backbones=["scratch"], classes=("a", "b"), periods=1)
    with pytest.raises(RequestError, match="top-5 needs 6 classes or more, and the data have 2"):
        read_run_data(store, run, metric=METRICS["top5"])


def test_one_entry_leads_a_report(
    filled: tuple[Store, Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new metric with what each image contributes needs nothing else."""
    surprise = Metric(
        "surprise",
        "Surprise",
        "one minus the probability of the true class",
        False,
        "number",
        of_images=lambda answers: 1 - answers.label_confidence.astype(float),
    )
    monkeypatch.setitem(METRICS, surprise.name, surprise)
    asked = model.build({"backbones": "scratch", "metric": "surprise"})
    write.write_report(*filled, tmp_path, formats=write.FORMATS, metric=surprise)

    facts = json.loads((tmp_path / "report.json").read_text())
    assert asked.metric == "surprise"
    assert facts["answer"]["ranking"][0]["backbone"] == "vgg16"
    assert facts["metrics"]["surprise"]["help"].startswith("one minus")
    assert (
        r"\textbf{Surprise} & \textbf{95\% interval}"
        in (tmp_path / "tables" / "period-1.tex").read_text()
    )
