"""Assemble the sections of the report, and render HTML and Markdown."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.analysis.analysis import Analysis, analyse
from orchestrator.analysis.examples import KINDS, Example
from orchestrator.analysis.run_data import RunData
from orchestrator.report import json_facts, summary
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import (
    Cards,
    Figures,
    Heading,
    Part,
    Samples,
    Section,
    Switch,
    Text,
)
from orchestrator.report.rendering.figure import Chart
from orchestrator.report.sections import (
    calibration,
    confusion,
    cost,
    early_stopping,
    images,
    learning_curves,
    mistakes,
    robustness,
    significance,
    tables,
    timeline,
)

SCRIPT = (Path(__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Page:
    """All content: title, sentence, cautions, sections, and the same as JSON values."""

    title: str
    about: str
    sentence: str
    price: str
    cautions: tuple[str, ...]
    missing: tuple[str, ...]
    sections: tuple[Section, ...]
    facts: dict[str, Any]
    gallery: images.Gallery | None

    @cached_property
    def drawings(self) -> list[Chart]:
        """All figures, in order of the page."""
        return list(elements.drawings(self.sections))


def assemble(evidence: RunData, findings: Analysis | None = None) -> Page:
    """Build all sections from run data and analysis."""
    found = findings or analyse(evidence)
    gallery = images.Gallery(evidence)
    chosen, tally = mistakes.shown(found)
    duplicates = images.duplicates(evidence)
    sections = (
        _results(evidence),
        significance.section(evidence, found),
        _curves(evidence),
        _confusion(evidence),
        mistakes.classes(evidence, found),
        mistakes.together(evidence, found, gallery),
        _answers(evidence, found, gallery, chosen, tally),
        calibration.section(evidence, found),
        robustness.section(evidence),
        cost.section(evidence, found),
        early_stopping.section(evidence, found),
        _data(evidence, gallery, duplicates),
        _recipe(evidence),
        timeline.section(evidence, found),
        _provenance(evidence),
    )
    spec = evidence.run.spec
    about = " · ".join(
        (
            wording.count(len(evidence.comparison.backbones), "network"),
            f"{len(evidence.classes)} classes",
            wording.count(spec.epochs, "epoch"),
            learning_curves.seeds_of(evidence),
        )
    )
    return Page(
        evidence.run.name,
        about,
        summary.sentence(evidence, found),
        summary.price(evidence, found),
        tuple(summary.cautions(evidence, found)),
        tuple(summary.missing(evidence)),
        tuple(section for section in sections if section),
        json_facts.collect(evidence, found, chosen, tally, duplicates),
        gallery,
    )


def html(page: Page) -> str:
    """A self-contained page: style, figures, images and a short script are inlined."""
    return _told("page.html.j2", page, True)


def markdown(page: Page) -> str:
    """Markdown tables, with links to the figures."""
    return _told("page.md.j2", page, False)


def _told(template: str, page: Page, as_html: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    world = Environment(
        loader=PackageLoader("orchestrator.report", "templates"),
        autoescape=as_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if as_html else wording.markdown,
    )
    world.filters.update(plain=wording.plain, percent=wording.percent, title=wording.title)
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return world.get_template(template).render(
        page=page, script=SCRIPT, script_digest=digest, kinds=KINDS
    )


def _results(evidence: RunData) -> Section:
    several = (
        "Each figure is the mean over the seeds that were tested, with its sample deviation and "
        "Student’s 95% "
        "interval of the mean; counts of each seed are in report.json."
    )
    single = (
        "Percentages of test accuracy are rounded down, the counts are exact; the interval "
        "is Wilson’s."
    )
    told = several if evidence.run.spec.seeds > 1 else single
    lead = (
        f"Test loss is the mean cross entropy in nats an image. {told} "
        "Training time is the wall time of the period’s epochs."
    )
    built: list[Part] = []
    for number in evidence.periods:
        built += [
            Heading(f"{_called(evidence, number)}, {learning_curves.stretch_of(evidence, number)}"),
            tables.study(evidence, number),
        ]
    return Section(
        "results",
        "Results",
        lead,
        (*built, *elements.figures([learning_curves.accuracies(evidence)])),
    )


def _called(evidence: RunData, number: int) -> str:
    last = evidence.run.spec.periods
    return (
        "All epochs"
        if last == 1
        else "Last period"
        if number == last
        else "First period"
        if number == 1
        else f"Period {number}"
    )


def _curves(evidence: RunData) -> Section:
    spec = evidence.run.spec
    lead = (
        "Every network has one colour and one marker throughout. Each figure has a scale of "
        "its own."
    )
    if spec.periods > 1:
        lead += (
            " Dotted lines: the ends of periods, where the networks were tested."
            if spec.epochs_per_period > 1
            else " A period is one epoch here, so first and last period are the ends of each curve."
        )
    whole = elements.figures(
        [learning_curves.learning(evidence, measure, None) for measure in learning_curves.MEASURES],
        2,
    )
    built: list[Part] = whole or [Text("No epoch is published yet.")]
    if spec.periods > 1 and spec.epochs_per_period > 1:
        own = [
            learning_curves.learning(evidence, m, number)
            for m in learning_curves.MEASURES
            for number in evidence.periods
        ]
        called = (
            "First and last period"
            if len(evidence.periods) > 1
            else _called(evidence, evidence.periods[0])
        )
        built += [Heading(called), *drawn] if (drawn := elements.figures(own, 2)) else []
    return Section("curves", "Learning curves", lead, tuple(built))


def _confusion(evidence: RunData) -> Section | None:
    few = "matrix small" if len(evidence.classes) <= 10 else "matrix"
    built: list[Part] = []
    for backbone in evidence.comparison.backbones:
        row = tuple(
            drawn for p in evidence.periods if (drawn := confusion.confusion(evidence, backbone, p))
        )
        built += [Heading(wording.title(backbone)), Figures(row, 2, few)] if row else []
    lead = (
        "Rows are true classes, columns are answers, numbers are test images. Blue on the "
        "diagonal is right, "
        "orange is wrong; the deeper the colour, the larger the share of its row."
    )
    return Section("confusion", "Confusion matrices", lead, (Switch(), *built)) if built else None


def _answers(
    evidence: RunData,
    findings: Analysis,
    gallery: images.Gallery,
    chosen: list[Example],
    tally: dict[str, int],
) -> Section | None:
    if not chosen:
        return None
    seeds = ", by each network’s first seed" if evidence.run.spec.seeds > 1 else ""
    right, wrong, split = (tally[kind] for kind in (KINDS[0], KINDS[2], KINDS[1]))
    lead = (
        f"After epoch {findings.epoch}{seeds}: of "
        f"{wording.count(sum(tally.values()), 'test image')} all networks "
        f"got {right:,} right and {wrong:,} wrong; on {split:,} they disagree. The images below "
        f"are chosen by the "
        "digest of their names, not by hand. ✓ right, ✗ wrong; the percentage is the network’s "
        "own confidence."
    )
    absent: list[Part] = (
        []
        if gallery.rows
        else [
            Text(
                "The prepared pixels are not in this store, so the answers stand without their "
                "pictures."
            )
        ]
    )
    built: tuple[Part, ...] = (
        *absent,
        Cards(tuple(chosen), images.answer_sheet(gallery, chosen), grouped=True),
    )
    return Section("answers", "Test images and every network’s answer", lead, built)


def _data(evidence: RunData, gallery: images.Gallery, duplicates: dict[str, int] | None) -> Section:
    more = (
        f" The first {images.MAX_CLASSES_SAMPLED} of {len(evidence.classes)} classes."
        if len(evidence.classes) > images.MAX_CLASSES_SAMPLED
        else ""
    )
    samples: tuple[Part, ...] = (
        (
            Text(f"Training images as the networks see them, before normalisation.{more}"),
            Samples(
                tuple((label, tuple(chosen)) for label, chosen in gallery.samples),
                images.sheet(gallery),
            ),
        )
        if gallery.samples
        else (Text("The prepared pixels are not in this store, so there are no sample images."),)
    )
    return Section(
        "data",
        "Data",
        "",
        (
            tables.data(evidence, duplicates),
            *elements.figures([images.bars(evidence)]),
            Heading("Samples of each class"),
            *samples,
        ),
    )


def _recipe(evidence: RunData) -> Section:
    told = (
        "Precision, threads and device are those of the latest training; a trial keeps its first "
        "precision and "
        "threads, because they can change its numbers."
    )
    return Section(
        "recipe",
        "Recipe and networks",
        "",
        (
            tables.recipe(evidence),
            Heading("Networks"),
            Text(told),
            tables.networks(evidence),
        ),
    )


def _provenance(evidence: RunData) -> Section:
    return Section("provenance", "Provenance", "", (tables.provenance(evidence),))
