"""The first sentence and its cautions: who leads, who is too close to call, who learned nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.collapsed import collapse
from support.fakes import fill_store

from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import analysis, imagenet, overfitting, run_data
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import EpochRow
from orchestrator.report import cautions, first_sentence, json_facts, page
from orchestrator.report.headline import compose
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.sections import calibration, learning_curves, mistakes, result_tables

CLASSES = ("ape", "bear", "cat", "dog")


def filled(root: Path, **changes: Any) -> tuple[Store, Run]:
    """A run of three networks and four classes, without pixels."""
    asked = {
        "backbones": ["resnet34", "vgg16", "scratch"],
        "classes": CLASSES,
        "images_a_class": 60,
        "periods": 2,
        "pixels": False,
        **changes,
    }
    return fill_store(root / "store", **asked)


def told(store: Store, run: Run) -> tuple[RunData, analysis.Analysis, str]:
    """Run data, analysis and first sentence."""
    read = run_data.read_run_data(store, run)
    analysed = analysis.analyse(read)
    return read, analysed, first_sentence.sentence(read, analysed)


def test_one_seed_is_ahead_on_these_images_and_never_leads(tmp_path: Path) -> None:
    """Scratch is far behind ResNet34: McNemar's test is sure, of these images."""
    _, analysed, sentence = told(*filled(tmp_path, backbones=["resnet34", "scratch"]))

    assert analysed.paired_tests[0].significant
    assert "ResNet34 is ahead on these images with " in sentence
    assert "95% interval over images" in sentence
    assert "lead" not in sentence
    assert analysed.verdict is not None
    assert not analysed.verdict.leads


def test_several_seeds_lead_by_the_interval_that_is_quoted(tmp_path: Path) -> None:
    """The interval in the sentence is that over seeds and images."""
    _, analysed, sentence = told(*filled(tmp_path, backbones=["resnet34", "scratch"], seeds=3))
    test = analysed.verdict.paired_test if analysed.verdict else None

    assert test is not None
    assert test.seed_interval is not None
    assert "ResNet34 leads with " in sentence
    assert f"over seeds and images {wording.difference(test.seed_interval)})" in sentence


def test_networks_too_close_to_call_are_named_with_the_faster_one(tmp_path: Path) -> None:
    """ResNet34 and VGG16 differ by a few images."""
    _, _, sentence = told(*filled(tmp_path, backbones=["resnet34", "vgg16"]))

    assert re.fullmatch(
        r"After the last period \(epoch 4\), \w+ \([\d.]+%\) and \w+ \([\d.]+%\) are too close to "
        r"call on 51 test images; ResNet34 trained [\d.]+ times faster\.",
        sentence,
    )


def test_a_network_that_learned_nothing_is_named_and_left_out(tmp_path: Path) -> None:
    """It is in no ranking, no best value and no list of mistakes, and its row says so."""
    store, run = filled(tmp_path)
    collapse(store, run, "vgg16", answer="cat", share=0.98)
    read, analysed, sentence = told(store, run)
    facts = json_facts._answer(read, analysed, compose(read, analysed))
    confused = {(one.label, one.answer) for one in analysed.confused}

    assert "VGG16" not in sentence
    assert (
        "VGG16 learned nothing: it predicts one class (cat) for 98% of the images; chance is "
        "25.0%. "
        "Try a lower learning rate. It is left out of ranking and mistakes."
    ) in cautions.cautions(read, analysed)
    assert [entry["backbone"] for entry in facts["ranking"]] == ["resnet34", "scratch"]
    assert [(one["backbone"], one["why"]) for one in facts["unranked"]] == [
        ("vgg16", "learned nothing")
    ]
    assert 0 < facts["unranked"][0]["accuracy"] < 1
    assert facts["learned_nothing"]["vgg16"][0]["answer"] == "cat"
    assert analysed.examples.judged == ("scratch", "resnet34")
    assert sum(one.times for one in analysed.confused if one.answer == "cat") < 10, confused
    assert any("VGG16 (learned nothing)" in row for row in result_tables.study(read, 2).rows)


def test_its_calibration_is_not_marked_best(tmp_path: Path) -> None:
    """A constant prediction with a confidence of its own accuracy has no calibration error."""
    store, run = filled(tmp_path)
    collapse(store, run, "vgg16", answer="bear", confidence=0.2549)
    read, analysed, _ = told(store, run)
    errors = {name: found.ece for name, found in analysed.calibration.items()}
    table = calibration._table(analysed, read.learned)

    assert min(errors, key=lambda name: errors[name]) == "vgg16"
    assert len(table.best) == 1
    assert table.rows[table.best[0]][0] != "VGG16"


def test_it_does_not_lead_where_a_constant_answer_is_the_most_accurate(tmp_path: Path) -> None:
    """Most images are bears; the sentence says what always predicting bear would get."""
    store, run = filled(tmp_path, backbones=["scratch", "vgg16"], images_a_class=25)
    read = run_data.read_run_data(store, run)
    share = 0.97
    known = replace(read.learning.baselines, majority_share=share)
    read = replace(read, learning=replace(read.learning, baselines=known))
    sentence = first_sentence.sentence(read, analysis.analyse(read))

    assert sentence.endswith(" Always predicting bear would get 97.0% correct.")


def test_a_rival_that_learned_nothing_is_no_rival(tmp_path: Path) -> None:
    """The other one is alone."""
    store, run = filled(tmp_path, backbones=["scratch", "vgg16"])
    collapse(store, run, "vgg16", answer="ape")
    read, analysed, sentence = told(store, run)

    assert sentence.endswith("no other network has learned anything.")
    assert analysed.verdict is not None
    assert not analysed.verdict.leads
    assert result_tables.study(read, 2).best == (0,)


def test_mistakes_of_the_only_network_that_learned_are_called_its_own(tmp_path: Path) -> None:
    """Nothing is compared with networks that do not count."""
    store, run = filled(tmp_path, backbones=["scratch", "vgg16"])
    collapse(store, run, "vgg16", answer="ape")
    read, analysed, _ = told(store, run)

    titles = [fold.title for fold in mistakes._all_wrong(analysed, read.comparison.backbones)]

    assert len(titles) == 1
    assert titles[0].endswith("that Scratch predicted wrongly")
    assert mistakes._right_alone(analysed, Gallery(read), read.comparison.backbones) == []


def test_the_interval_of_the_table_decides_on_a_constant_prediction(tmp_path: Path) -> None:
    """With several seeds the mean number of correct images is no whole number."""
    read, analysed, _ = told(*filled(tmp_path, backbones=["scratch", "vgg16"], seeds=2))
    assert read.leader is not None
    interval = read.leader.ranking[0].image_interval
    assert interval is not None
    notes = []
    for share in (interval.low - 1e-9, interval.low):
        known = replace(read.learning.baselines, majority_share=share)
        changed = replace(read, learning=replace(read.learning, baselines=known))
        notes.append(" ".join(cautions.cautions(changed, analysed)))

    assert "constant prediction" not in notes[0]
    assert "is not clearly better than a constant prediction" in notes[1]


def test_nobody_leads_where_none_learned_anything(tmp_path: Path) -> None:
    """Chance is named, and nothing is marked best."""
    store, run = filled(tmp_path, backbones=["scratch", "vgg16"])
    for backbone in ("scratch", "vgg16"):
        collapse(store, run, backbone, answer="ape")
    read, analysed, sentence = told(store, run)

    assert sentence.startswith("No network has learned anything after the last period (epoch 4)")
    assert "chance is 25.0%" in sentence
    assert first_sentence.cost(read, analysed) == ""
    assert result_tables.study(read, 2).best == ()
    assert calibration._table(analysed, read.learned).best == ()


def test_one_collapsed_seed_of_three_is_named_and_no_example_is_from_it(tmp_path: Path) -> None:
    """Its first seed fell to one answer; examples are of the first that learned something."""
    store, run = filled(tmp_path, seeds=3)
    collapse(store, run, "vgg16", answer="ape", seeds=[0])
    read, analysed, sentence = told(store, run)
    answers = read.answers("vgg16", 2)

    assert "leads" not in sentence
    assert any(
        note.startswith(
            "VGG16 learned nothing with seed 0 (of 3 seeds): it predicts one class (ape)"
        )
        for note in cautions.cautions(read, analysed)
    )
    assert analysed.first["vgg16"] is answers[1]


def test_lines_show_chance_and_the_commonest_class(tmp_path: Path) -> None:
    """Where the figure reaches so low; the caption says both in any case."""
    store, run = filled(tmp_path, backbones=["scratch", "vgg16"])
    collapse(store, run, "vgg16", answer="ape")
    low = learning_curves.leading_figure(run_data.read_run_data(store, run))
    high = learning_curves.leading_figure(
        run_data.read_run_data(*filled(tmp_path / "b", backbones=["resnet34"], periods=1))
    )
    assert low is not None
    assert high is not None

    assert ">chance</text>" in low.svg
    assert ">commonest class</text>" in low.svg
    assert ">chance</text>" not in high.svg
    assert "Chance is 25.0%; always predicting bear gets" in high.caption


def test_what_to_hold_against_the_answer_is_said(tmp_path: Path) -> None:
    """Chosen on the test images; random beside pretrained."""
    read, analysed, _ = told(*filled(tmp_path))
    notes = "\n".join(cautions.cautions(read, analysed))

    assert "The best of 3 networks is chosen on the test images" in notes
    assert "Scratch starts from random weights, the others from ImageNet's" in notes
    assert "ImageNet's own" not in notes
    twice = replace(analysed, duplicates={"groups": 3, "across_classes": 2})
    assert "2 groups of equal images are labelled" in " ".join(cautions.cautions(read, twice))


def test_classes_of_imagenet_are_recognised_by_name_and_number(tmp_path: Path) -> None:
    """However their words are joined; half of the classes are not most of them."""
    names = ("golden_retriever", "Tench", "n02123045", "chain-saw", "my dog")
    read, analysed, _ = told(*filled(tmp_path, classes=names))
    notes = cautions.cautions(read, analysed)

    assert imagenet.imagenets_own(names) == ["golden_retriever", "Tench", "n02123045", "chain-saw"]
    assert imagenet.imagenets_own(["ape", "my dog", "n12"]) == []
    assert any(note.startswith("4 of 5 classes are ImageNet's own") for note in notes)


@pytest.mark.parametrize(
    ("losses", "falling"),
    [([0.9, 0.7], True), ([0.9, 0.7, 0.699], False), ([0.5, 0.9], False), ([0.5], False)],
)
def test_a_loss_is_still_falling_if_its_end_is_clearly_lowest(
    losses: list[float], falling: bool
) -> None:
    """By one per cent or more."""
    rows = [
        EpochRow("t", "vgg16", 0, 1, place, 0.1, loss, 0.5, 0.001, 1.0, 1.0)
        for place, loss in enumerate(losses, 1)
    ]

    assert overfitting.still_falling(rows) == falling


def test_images_of_a_class_count_once_with_any_number_of_seeds(tmp_path: Path) -> None:
    """And so does the interval of an accuracy."""
    reads = [told(*filled(tmp_path / str(seeds), seeds=seeds))[:2] for seeds in (1, 3)]
    images = [[one.images for one in analysed.by_class["vgg16"]] for _, analysed in reads]
    heads = [result_tables.study(read, 2).head for read, _ in reads]

    assert images[0] == images[1]
    assert sum(images[0]) == reads[0][0].test_images
    assert [head[1] for head in heads] == ["Test accuracy"] * 2


def test_a_constant_network_of_two_seeds_has_wilsons_interval(tmp_path: Path) -> None:
    """As with one seed, and not an interval without width."""
    cells = []
    for seeds in (1, 2):
        store, run = filled(tmp_path / str(seeds), backbones=["scratch"], seeds=seeds)
        collapse(store, run, "scratch", answer="ape")
        table = result_tables.study(run_data.read_run_data(store, run), 2)
        cells.append(table.rows[0][table.head.index("95% interval")])

    assert cells[0] == cells[1]
    assert cells[0] == "14.0–36.8%"


def test_the_page_has_the_last_period_first_and_the_first_folded(tmp_path: Path) -> None:
    """In results, curves and matrices; every table has a caption."""
    read = run_data.read_run_data(*filled(tmp_path, backbones=["vgg16"]))
    made = page.assemble(read, analysis.analyse(read))
    sections = {section.place: section for section in made.sections}
    folds = {
        place: [part.title for part in section.parts if isinstance(part, elements.Fold)]
        for place, section in sections.items()
    }
    first = sections["results"].parts[0]

    assert isinstance(first, elements.Table)
    assert first.title == "Last period, epochs 3–4"
    assert folds["results"] == ["Every metric", "First period, epochs 1–2"]
    assert folds["confusion"] == ["First period, epochs 1–2"]
    assert folds["curves"][-1] == "First period, epochs 1–2"
    assert all(table.title for table in elements.tables(made.sections))
