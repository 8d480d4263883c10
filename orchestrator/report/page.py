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
from orchestrator.report import cautions, json_facts, missing, summary
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
    cost: str
    cautions: tuple[str, ...]
    missing: tuple[str, ...]
    sections: tuple[Section, ...]
    facts: dict[str, Any]
    gallery: images.Gallery | None

    @cached_property
    def drawings(self) -> list[Chart]:
        """All figures, in order of the page."""
        return list(elements.drawings(self.sections))


def assemble(run_data: RunData, analysis: Analysis | None = None) -> Page:
    """Build all sections from run data and analysis."""
    analysis = analysis or analyse(run_data)
    gallery = images.Gallery(run_data)
    chosen, tally = mistakes.shown(analysis)
    duplicates = images.duplicates(run_data)
    sections = (
        results.section(run_data),
        significance.section(run_data, analysis),
        learning_curves.section(run_data),
        confusion.section(run_data, analysis),
        mistakes.classes(run_data, analysis),
        mistakes.together(
            run_data,
            analysis,
            gallery,
            examples.folded(run_data, analysis, gallery, chosen, tally),
        ),
        calibration.section(run_data, analysis),
        robustness.section(run_data),
        cost.section(run_data, analysis),
        early_stopping.section(run_data, analysis),
        data_set.section(run_data, gallery, duplicates),
        recipe.section(run_data),
        timeline.section(run_data, analysis),
        provenance.section(run_data),
    )
    return Page(
        run_data.run.name,
        _about(run_data),
        summary.sentence(run_data, analysis),
        summary.cost(run_data, analysis),
        tuple(cautions.cautions(run_data, analysis)),
        tuple(missing.missing(run_data)),
        tuple(section for section in sections if section),
        json_facts.collect(run_data, analysis, chosen, tally, duplicates),
        gallery,
    )


def _about(run_data: RunData) -> str:
    """Size of the comparison, in one line."""
    return " · ".join(
        (
            wording.count(len(run_data.comparison.backbones), "network"),
            f"{len(run_data.classes)} classes",
            wording.count(run_data.run.spec.epochs, "epoch"),
            learning_curves.seeds_of(run_data),
        )
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
