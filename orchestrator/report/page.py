"""The report's parts put together, then told as HTML and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.report import answer, answers, curves, facts, images, matrices, tables, wording
from orchestrator.report.drawing import Drawing
from orchestrator.report.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Period:
    """The first or the last period: what it is called, its table, and its learning curves.

    A period of one epoch, or one that is the whole run, has no curves of its own.
    """

    number: int
    called: str
    stretch: str
    table: tables.Table
    curves: tuple[Drawing, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the templates tell, every figure drawn once, and the same facts as JSON values."""

    evidence: Evidence
    periods: tuple[Period, ...]
    whole: tuple[Drawing, ...]
    accuracies: Drawing | None
    matrices: tuple[tuple[str, tuple[Drawing, ...]], ...]
    questions: tuple[answers.Question, ...]
    tally: dict[str, int]
    gallery: images.Gallery
    pictures: tuple[Drawing, ...]
    bars: Drawing | None
    facts: dict[str, Any]

    @property
    def drawings(self) -> list[Drawing]:
        """Every figure, in the order of the page."""
        single = [drawing for drawing in (self.accuracies, self.bars) if drawing]
        many = [*self.whole, *(drawing for period in self.periods for drawing in period.curves)]
        return [*single, *many, *(drawing for _, row in self.matrices for drawing in row), *self.pictures]


def assemble(evidence: Evidence) -> Page:
    """Draw and count everything that the evidence holds."""
    asked = answers.questions(_answered(evidence))
    chosen, tally = answers.choose(asked), answers.tally(asked)
    gallery = images.Gallery(evidence)
    rows = [
        (wording.title(backbone), tuple(
            drawing for period in evidence.periods if (drawing := matrices.confusion(evidence, backbone, period))
        ))
        for backbone in evidence.comparison.backbones
    ]
    told = facts.collect(evidence, chosen, tally)
    pictures = (images.sheet(gallery), images.answer_sheet(gallery, chosen))
    return Page(
        evidence, tuple(_period(evidence, number) for number in evidence.periods), _curves(evidence, None),
        curves.accuracies(evidence),
        tuple((title, row) for title, row in rows if row), tuple(chosen), tally, gallery,
        tuple(drawing for drawing in pictures if drawing), images.bars(evidence), told,
    )


def html(page: Page) -> str:
    """One page that needs nothing else: style, figures and pictures are inside."""
    return _told("page.html.j2", page, True)


def markdown(page: Page) -> str:
    """The tables, and links to the figures beside it."""
    return _told("page.md.j2", page, False)


def _told(template: str, page: Page, as_html: bool) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    world = Environment(
        loader=PackageLoader("orchestrator.report", "."), autoescape=as_html, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        finalize=None if as_html else wording.markdown,
    )
    world.filters.update(plain=wording.plain, percent=wording.percent, title=wording.title)
    evidence = page.evidence
    return world.get_template(template).render(
        page=page, evidence=evidence, run=evidence.run, sentence=answer.sentence(evidence),
        cautions=answer.cautions(evidence), missing=answer.missing(evidence), several=evidence.run.spec.seeds > 1,
        data=tables.data(evidence, images.duplicates(evidence)), recipe=tables.recipe(evidence),
        networks=tables.networks(evidence), attempts=tables.attempts(evidence), provenance=tables.provenance(evidence),
        drawn={drawing.name: drawing for drawing in page.drawings}, asked_after=_asked_after(evidence),
        seeds=curves.seeds_of(evidence), most_sampled=images.MOST_CLASSES_SAMPLED,
    )


def _period(evidence: Evidence, number: int) -> Period:
    last = evidence.run.spec.periods
    called = "All epochs" if last == 1 else "Last period" if number == last else "First period"
    own = last > 1 and evidence.run.spec.epochs_per_period > 1
    return Period(number, called, curves.stretch_of(evidence, number), tables.study(evidence, number),
                  _curves(evidence, number) if own else ())


def _curves(evidence: Evidence, period: int | None) -> tuple[Drawing, ...]:
    drawn = (curves.learning(evidence, measure, period) for measure in curves.MEASURES)
    return tuple(drawing for drawing in drawn if drawing)


def _answered(evidence: Evidence) -> dict[str, Any]:
    """Each backbone's answers by its first seed that has any, after the period of the lead."""
    tables_by_backbone: dict[str, Any] = {}
    for name in sorted(evidence.trials, key=lambda n: evidence.trials[n].seed):
        table = answers.of(evidence.predictions, name, _asked_after(evidence))
        if table.num_rows:
            tables_by_backbone.setdefault(evidence.trials[name].backbone, table)
    order = evidence.comparison.backbones
    return {backbone: tables_by_backbone[backbone] for backbone in order if backbone in tables_by_backbone}


def _asked_after(evidence: Evidence) -> int:
    return evidence.lead.epoch if evidence.lead else evidence.run.spec.epochs
