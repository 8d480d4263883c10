"""Section: mistakes by class and by pair of classes, and agreement between networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.metrics import METRICS, TOP
from orchestrator.analysis.per_class import ClassMetrics, macro
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Cards, Cell, Content, Fold, Part, Table, Text
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.examples import folded, of_networks
from orchestrator.report.sections.foremost import foremost, limit_told

PICTURES_A_PAIR, MAX_ALL_WRONG, ALONE_EACH = 2, 6, 1
MAX_CLASSES_OPEN = 6
MEASURED = {"f1": "F1", "precision": "Precision", "recall": "Recall"}
INTERVALS = (
    "Wilson's intervals: of the images of a class (recall), of the answers that name it "
    "(precision), and of the images that are of it or are taken for it (F1). They speak of other "
    "images, and of one class: among many classes some intervals miss by chance."
)


def classes(report: ReportData) -> Content | None:
    """Precision, recall and F1 per class; None without predictions."""
    run_data, analysis = report.run_data, report.analysis
    if not analysis.by_class:
        return None
    several = ", all seeds together" if run_data.run.spec.seeds > 1 else ""
    lead = (
        f"After epoch {analysis.epoch}{several}. Precision is the share of predictions of a class "
        "that are correct. Recall is the share of images of a class that are predicted as it. F1 "
        "is their harmonic mean. Click a heading to sort."
    )
    scores = _measured(analysis, "f1", "F1")
    few = len(run_data.classes) <= MAX_CLASSES_OPEN
    built: list[Part] = [scores] if few else [*elements.fold(scores.title, scores)]
    for measure in ("precision", "recall"):
        table = _measured(analysis, measure)
        built += elements.fold(table.title, table)
    tables = [_intervals(analysis, *called) for called in MEASURED.items()]
    built += elements.fold("95% intervals of each class", Text(INTERVALS), *tables)
    return Content(lead, tuple(built))


def together(report: ReportData) -> Content | None:
    """Frequent confusions, images that one network or none got right, examples, agreement."""
    run_data, analysis, gallery = report.run_data, report.analysis, report.gallery
    examples = analysis.examples
    if not examples.order:
        return None
    answers = folded(run_data, analysis, gallery)
    shown = [name for name in foremost(run_data) if name in examples.networks]
    if len(examples.networks) < 2:
        return Content("", tuple(answers), "Test images and predictions")
    built = [
        *_confused(analysis, gallery, shown),
        *_right_alone(analysis, gallery, shown),
        *_all_wrong(analysis, shown),
    ]
    built += answers
    built += elements.fold(
        "Agreement between networks",
        Text(
            "Share of equal predictions of two networks (upper right), and Cohen's kappa, which "
            "corrects for agreement by chance (lower left). Networks that agree less make "
            f"different mistakes and gain more from being combined. {limit_told(run_data)}".rstrip()
        ),
        _agreement(analysis, shown),
    )
    first = " by each network's first seed" if run_data.run.spec.seeds > 1 else ""
    images = wording.count(len(examples.order), "image")
    out = [wording.title(name) for name in examples.networks if name not in examples.judged]
    without = f" {wording.listed(out)} learned nothing and do not count here." if out else ""
    where = f"on the {images} that all networks were tested on"
    lead = f"After epoch {analysis.epoch}{first}, {where}.{without}"
    return Content(lead, tuple(built))


def _right_alone(analysis: Analysis, gallery: Gallery, names: Sequence[str]) -> list[Fold]:
    """Images that only one network predicted correctly, counted and some shown."""
    examples = analysis.examples
    if len(examples.judged) < 2:
        return []
    alone = {name: analysis.right_alone[name] for name in examples.judged}
    shown = [place for places in alone.values() for place in places[:ALONE_EACH]][:6]
    cards = (
        [Cards(of_networks(map(examples.example, shown), names))] if shown and gallery.rows else []
    )
    table = _alone(analysis, alone)
    return elements.fold(table.title, table, *cards)


def _all_wrong(analysis: Analysis, names: Sequence[str]) -> list[Fold]:
    """Images that no network predicted correctly, the highest confidence first."""
    examples = analysis.examples
    wrong = analysis.all_wrong
    if not wrong:
        return []
    number, networks = wording.count(len(wrong), "image"), len(examples.judged)
    whom = f"all {networks} networks" if networks > 1 else wording.title(examples.judged[0])
    return elements.fold(
        f"{number} that {whom} predicted wrongly",
        Text("Those with the highest confidence come first: look here for wrong labels."),
        Cards(of_networks(map(examples.example, wrong[:MAX_ALL_WRONG]), names)),
    )


def _measured(analysis: Analysis, measure: str, called: str = "") -> Table:
    by_class = analysis.by_class
    names = list(by_class)
    first = by_class[names[0]]
    rows = [
        (
            wording.plain(one.label),
            Cell(f"{one.images:,}", one.images),
            *(_share(getattr(by_class[name][i], measure)) for name in names),
        )
        for i, one in enumerate(first)
    ]
    means = (
        "Mean over classes",
        Cell(f"{sum(one.images for one in first):,}", 1e12),
        *(
            _share(macro(getattr(one, measure) for one in analysis.by_class[name]))
            for name in names
        ),
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


def _intervals(analysis: Analysis, measure: str, called: str) -> Table:
    """A measure of each class with its interval, one column a network."""
    by_class = analysis.by_class

    def cell(one: ClassMetrics) -> Cell:
        value, interval = getattr(one, measure), getattr(one, f"{measure}_interval")
        told = f" ({wording.interval(interval).removesuffix('%')})" if interval else ""
        return Cell(f"{_share(value)}{told}", -1.0 if value is None else value)

    first = next(iter(by_class.values()))
    rows = tuple(
        (wording.plain(one.label), *(cell(ones[i]) for ones in by_class.values()))
        for i, one in enumerate(first)
    )
    head = ("Class", *(wording.title(name) for name in by_class))
    title, numeric = f"{called} of each class with 95% interval (%)", tuple(range(1, len(head)))
    return Table(head, rows, numeric, name=f"{measure}-intervals", title=title, style="long")


def _share(value: float | None) -> Cell:
    return Cell("–" if value is None else f"{100 * value:.1f}", -1.0 if value is None else value)


def _confused(analysis: Analysis, gallery: Gallery, names: Sequence[str]) -> list[Part]:
    if not analysis.confused:
        return []
    rows = tuple(
        (
            wording.plain(one.label),
            wording.plain(one.answer),
            Cell(f"{one.times:,}", one.times),
            Cell(f"{one.images:,}", one.images),
            Cell(wording.percent(one.times / one.images), one.times / one.images),
        )
        for one in analysis.confused
    )
    head = ("True class", "Predicted class", "Times", "Predictions", "Share")
    table = Table(
        head,
        rows,
        (2, 3, 4),
        name="confused",
        title="Most frequent confusions, all networks together",
    )
    examples, shown = analysis.examples, []
    for one in analysis.confused[:3]:
        shown += [p for p in examples.taken_for(one.label, one.answer) if p not in shown][
            :PICTURES_A_PAIR
        ]
    cards = (
        [Cards(of_networks(map(examples.example, shown), names))] if shown and gallery.rows else []
    )
    return [table, *elements.fold("Images of these classes", *cards)]


def _alone(analysis: Analysis, alone: Mapping[str, Sequence[int]]) -> Table:
    examples = analysis.examples
    images, told = len(examples.order), METRICS["top5"].tells_of(len(examples.predictions.classes))
    rows = []
    for row, name in enumerate(examples.networks):
        if name not in alone:
            continue
        right, top = int(examples.right[row][list(examples.order)].sum()), analysis.top.get(name)
        rows.append(
            (
                wording.title(name),
                Cell(f"{right:,}", right),
                Cell(f"{len(alone[name]):,}", len(alone[name])),
                Cell(wording.percent(len(alone[name]) / images), len(alone[name])),
                *([Cell(wording.percent(top), -1.0 if top is None else top)] if told else []),
            )
        )
    among = [f"True class among first {TOP}"] if told else []
    head = ("Network", "Correct", "Only it correct", "Share", *among)
    return Table(
        head,
        tuple(rows),
        tuple(range(1, len(head))),
        name="alone",
        title="Images that only one network predicted correctly",
    )


def _agreement(analysis: Analysis, names: Sequence[str]) -> Table:
    pairs = {(a.first, a.second): a for a in analysis.agreement}

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
