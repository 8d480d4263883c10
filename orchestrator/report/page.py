"""Assemble the sections of the report, and render HTML and Markdown."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.examples import KINDS
from orchestrator.analysis.run_data import RunData
from orchestrator.report import decision_screen, json_facts
from orchestrator.report.decision_screen import Screen
from orchestrator.report.headline import Headline, compose
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Section
from orchestrator.report.rendering.figure import Chart
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import learning_curves, registry

NO_SCREEN = Screen((), (), None)
SCRIPT = (Path(__file__).parent / "templates" / "page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Page:
    """All content: title, headline, cautions, sections, and the same data as JSON values."""

    title: str
    about: str
    headline: Headline
    sections: tuple[Section, ...]
    facts: dict[str, Any]
    gallery: Gallery | None
    screen: Screen = NO_SCREEN

    @cached_property
    def drawings(self) -> list[Chart]:
        """All figures, in order of the page."""
        first = [self.screen.picture] if self.screen.picture else []
        return [*first, *elements.drawings(self.sections)]


def assemble(run_data: RunData, analysis: Analysis) -> Page:
    """Build all sections and facts from run data and analysis."""
    with theme.networks(run_data.comparison.backbones):
        return _assembled(run_data, analysis)


def _assembled(run_data: RunData, analysis: Analysis) -> Page:
    gallery = Gallery(run_data)
    headline = compose(run_data, analysis)
    return Page(
        run_data.run.name,
        _about(run_data),
        headline,
        tuple(registry.sections(ReportData(run_data, analysis, gallery))),
        json_facts.collect(run_data, analysis, headline),
        gallery,
        decision_screen.first_screen(run_data, analysis),
    )


def _about(run_data: RunData) -> str:
    """Size of the comparison, in one line."""
    return " · ".join(
        (
            run_data.compared,
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
