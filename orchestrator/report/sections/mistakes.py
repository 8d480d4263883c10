"""Section: mistakes by class and by pair of classes, and agreement between networks."""

from __future__ import annotations

from orchestrator.analysis import examples
from orchestrator.analysis.analysis import TOP, Analysis
from orchestrator.analysis.per_class import macro
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.rendering.elements import (
    Cards,
    Cell,
    Fold,
    Heading,
    Part,
    Section,
    Table,
    Text,
)
from orchestrator.report.sections.images import Gallery

PICTURES_A_PAIR, MAX_ALL_WRONG, ALONE_EACH = 2, 6, 1


def classes(evidence: RunData, findings: Analysis) -> Section | None:
    """Precision, recall and F1 per class; None without predictions."""
    if not findings.by_class:
        return None
    several = ", all seeds together" if evidence.run.spec.seeds > 1 else ""
    lead = (
        f"After epoch {findings.epoch}{several}. Precision is the share of predictions of a class "
        "that are correct. Recall is the share of images of a class that are predicted as it. F1 "
        "is their harmonic mean. Click a heading to sort."
    )
    built = (
        _measured(findings, "f1", "F1"),
        Fold("Precision of each class", _measured(findings, "precision")),
        Fold("Recall of each class", _measured(findings, "recall")),
    )
    return Section("classes", "Classes", lead, built)


def together(evidence: RunData, findings: Analysis, gallery: Gallery) -> Section | None:
    """Frequent confusions, images that only one or no network got right, and agreement."""
    asked = findings.asked
    if len(asked.networks) < 2 or not asked.order:
        return None
    wrong, built = asked.all_wrong(), []
    built += _confused(findings, gallery)
    alone = {name: asked.only(name) for name in asked.networks}
    built += [Heading("Correct in one network only"), _alone(findings, alone)]
    shown = [place for places in alone.values() for place in places[:ALONE_EACH]][:6]
    if shown and gallery.rows:
        built.append(Cards(tuple(map(asked.question, shown))))
    if wrong:
        built += [
            Heading("All wrong"),
            Text(
                f"All {len(asked.networks)} networks got {wording.count(len(wrong), 'image')} "
                "wrong. Those with the highest confidence come first; check them for wrong labels."
            ),
            Cards(tuple(asked.question(place) for place in wrong[:MAX_ALL_WRONG])),
        ]
    built += [
        Heading("Agreement"),
        Text(
            "Share of equal predictions of two networks (upper right), and Cohen's kappa, which "
            "corrects for agreement by chance (lower left). Networks that agree less make "
            "different mistakes and gain more from being combined."
        ),
        _agreement(findings),
    ]
    first = ", with each network's first seed" if evidence.run.spec.seeds > 1 else ""
    lead = (
        f"After epoch {findings.epoch}{first}, on the {wording.count(len(asked.order), 'image')} "
        "that all networks classified."
    )
    return Section("mistakes", "Mistakes", lead, tuple(built))


def _measured(findings: Analysis, measure: str, called: str = "") -> Table:
    names = list(findings.by_class)
    first = findings.by_class[names[0]]
    rows = [
        (
            wording.plain(one.label),
            Cell(f"{one.images:,}", one.images),
            *(_share(getattr(findings.by_class[name][i], measure)) for name in names),
        )
        for i, one in enumerate(first)
    ]
    means = (
        "Mean over classes",
        Cell(f"{sum(one.images for one in first):,}", 1e12),
        *(_share(macro(findings.by_class[name], measure)) for name in names),
    )
    head = ("Class", "Images", *(wording.title(name) for name in names))
    return Table(
        head,
        (means, *rows),
        tuple(range(1, len(head))),
        (0,),
        measure,
        f"{called or measure.capitalize()} of each class (%)",
        "long",
    )


def _share(value: float | None) -> Cell:
    return Cell("–" if value is None else f"{100 * value:.1f}", -1.0 if value is None else value)


def _confused(findings: Analysis, gallery: Gallery) -> list[Part]:
    if not findings.confused:
        return []
    rows = tuple(
        (
            wording.plain(one.label),
            wording.plain(one.answer),
            Cell(f"{one.times:,}", one.times),
            Cell(f"{one.images:,}", one.images),
            Cell(wording.percent(one.times / one.images), one.times / one.images),
        )
        for one in findings.confused
    )
    head = ("True class", "Predicted class", "Times", "Predictions", "Share")
    table = Table(
        head,
        rows,
        (2, 3, 4),
        name="confused",
        title="Most frequent confusions, all networks together",
    )
    asked, shown = findings.asked, []
    for one in findings.confused[:3]:
        shown += [p for p in asked.taken_for(one.label, one.answer) if p not in shown][
            :PICTURES_A_PAIR
        ]
    cards: list[Part] = [Cards(tuple(map(asked.question, shown)))] if shown and gallery.rows else []
    return [Heading("Most frequent confusions"), table, *cards]


def _alone(findings: Analysis, alone: dict[str, list[int]]) -> Table:
    asked = findings.asked
    images = len(asked.order)
    rows = []
    for row, name in enumerate(asked.networks):
        right, top = int(asked.right[row][list(asked.order)].sum()), findings.top.get(name)
        rows.append(
            (
                wording.title(name),
                Cell(f"{right:,}", right),
                Cell(f"{len(alone[name]):,}", len(alone[name])),
                Cell(wording.percent(len(alone[name]) / images, 2), len(alone[name])),
                Cell(wording.percent(top, 2), top if top is not None else -1.0),
            )
        )
    head = ("Network", "Correct", "Only it correct", "Share", f"True class among first {TOP}")
    return Table(
        head,
        tuple(rows),
        (1, 2, 3, 4),
        name="alone",
        title="Images that only one network classified correctly",
    )


def _agreement(findings: Analysis) -> Table:
    names = list(findings.asked.networks)
    pairs = {(a.first, a.second): a for a in findings.agreement}

    def cell(row: str, column: str) -> str:
        if (row, column) in pairs:
            return Cell(wording.percent(pairs[row, column].share), pairs[row, column].share)
        if (column, row) in pairs:
            return Cell(f"{pairs[column, row].kappa:.3f}", pairs[column, row].kappa)
        return "·"

    rows = tuple((wording.title(row), *(cell(row, column) for column in names)) for row in names)
    head = ("", *(wording.title(name) for name in names))
    return Table(
        head,
        rows,
        tuple(range(1, len(head))),
        name="agreement",
        style="long unsorted",
        title="Agreement between networks: share above, Cohen's kappa below the diagonal",
    )


def shown(findings: Analysis) -> tuple[list[examples.Example], dict[str, int]]:
    """Examples to show, and the number of images per kind."""
    asked = findings.asked.questions()
    return examples.choose_examples(asked), examples.count_kinds(asked)
