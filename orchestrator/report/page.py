"""Assemble the sections of the report, and render HTML and Markdown."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.analysis.analysis import Analysis, analyse
from orchestrator.analysis.examples import KINDS
from orchestrator.analysis.run_data import RunData
from orchestrator.report import json_facts, summary
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import (
    Section,
)
from orchestrator.report.rendering.figure import Chart
from orchestrator.report.sections import (
    calibration,
    confusion,
    cost,
    data_set,
    early_stopping,
    examples,
    images,
    learning_curves,
    mistakes,
    provenance,
    recipe,
    results,
    robustness,
    significance,
    timeline,
)

SCRIPT = (Path(__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Page:
    """All content: title, headline, cautions, sections, and the same data as JSON values."""

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
        results.section(evidence),
        significance.section(evidence, found),
        learning_curves.section(evidence),
        confusion.section(evidence),
        mistakes.classes(evidence, found),
        mistakes.together(evidence, found, gallery),
        examples.section(evidence, found, gallery, chosen, tally),
        calibration.section(evidence, found),
        robustness.section(evidence),
        cost.section(evidence, found),
        early_stopping.section(evidence, found),
        data_set.section(evidence, gallery, duplicates),
        recipe.section(evidence),
        timeline.section(evidence, found),
        provenance.section(evidence),
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
