"""Section: test images that are training or validation images too, and the result without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.store.leaks import Suspect
from orchestrator.analysis.analysis import Analysis, Restated
from orchestrator.analysis.image_similarity import MAX_BITS, MAX_LEVELS, SIDE
from orchestrator.analysis.leader import Leader
from orchestrator.analysis.leaks import KINDS, MAX_TWINS, NO_PIXELS, Leaks
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import Standing
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Cell, Content, Part, Samples, Table, Text
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import images
from orchestrator.report.sections.foremost import foremost

MAX_PICTURES, MAX_PAIRS = 12, 50
COUNTED = {
    "equal file": ("equal file", "equal files"),
    "equal pixels": ("with equal pixels", "with equal pixels"),
    "near duplicate": ("near duplicate", "near duplicates"),
    "near duplicate, mirrored": ("mirrored near duplicate", "mirrored near duplicates"),
    "same group": ("of a group that is cut", "of a group that is cut"),
}
LOOKED_FOR = (
    "Looked for: equal files, equal prepared pixels, images of a group in several splits, and near "
    "duplicates. Of these, hashes of 64 bits (which of two neighbours in a grid of 8 × 8 is "
    f"brighter) differ in at most {MAX_BITS} bits, and thumbnails of {SIDE} × {SIDE} pixels by at "
    f"most {MAX_LEVELS:g} of 255 levels on average; mirrored too. That finds copies that were "
    "resized, saved again or mirrored, and frames of a burst. It misses most copies that were "
    "cropped, turned, or changed in colour, and other views of the same thing. Images that look "
    "alike by nature, such as X-rays in one position, may be suspected wrongly: look at the pairs."
)


def section(report: ReportData) -> Content | None:
    """The suspects, and the result without them; None without any, which `none` tells."""
    leaks = report.run_data.leaks
    if leaks is None or not leaks.pairs:
        return None
    restated = report.analysis.without_suspects
    parts: list[Part] = []
    if restated:
        parts.append(_standings(report.run_data, restated))
        tests = _tests(report.run_data, report.analysis, restated)
        parts += [tests] if tests.rows else []
    parts += elements.fold(_listed_told(leaks), _pairs(leaks))
    parts += elements.fold(*_pictures(leaks, report.gallery))
    parts += elements.fold("How they are looked for", method(leaks))
    return Content(f"{_counted(leaks)} {told(report.run_data, report.analysis)}", tuple(parts))


def caution(run_data: RunData, analysis: Analysis) -> str:
    """The suspects and the lead without them; empty where there are no suspects."""
    leaks = run_data.leaks
    if leaks is None or not leaks.pairs:
        return ""
    return (
        f"{len(leaks.images):,} of {wording.count(leaks.tested, 'test image')} may have leaked: "
        "the same image, one that looks nearly the same or one of its group is a training or "
        f"validation image. {told(run_data, analysis)}"
    ).rstrip()


def told(run_data: RunData, analysis: Analysis) -> str:
    """`Without the 37 suspects the lead of A is 0.4 percentage points (with them 0.9).`"""
    leaks, before, restated = run_data.leaks, run_data.leader, analysis.without_suspects
    if leaks is None or before is None:
        return ""
    without = f"Without the {wording.count(len(leaks.images), 'suspect')}"
    if restated is None or restated.run_data.leader is None:
        return "Without them no test image is left." if leaks.images >= {*_tested(run_data)} else ""
    after, metric = restated.run_data.leader, run_data.metric
    first, then = _first(before), _first(after)
    if before.margin is None or after.margin is None:
        known = _value(before) if first != then else _value(before).removeprefix(f"{first} has ")
        return f"{without} {_value(after)} (with them {known})."
    gap, gap_before = wording.gap(metric, after.margin), wording.gap(metric, before.margin)
    if first == then:
        return (
            f"{without} the lead of {then} is {gap} (with them {gap_before.split()[0]})"
            f"{_verdicts(analysis, restated)}."
        )
    return f"{without} {then} is {gap} ahead (with them {first} by {gap_before.split()[0]})."


def _tested(run_data: RunData) -> Sequence[str]:
    return run_data.predictions.images


def _first(lead: Leader) -> str:
    return wording.listed([wording.title(s.backbone) for s in lead.ranking[: lead.shared_by]])


def _value(lead: Leader) -> str:
    """`A has 91.2%`, where nobody is behind."""
    best = lead.ranking[0].lead
    have = "has" if lead.shared_by == 1 else "have"
    value = best.mean if best else None
    return f"{_first(lead)} {have} {wording.metric(lead.ranking[0].metric, value)}"


def _verdicts(analysis: Analysis, restated: Restated) -> str:
    """What changes in whether the first is too close to call; empty where nothing does."""
    if analysis.verdict is None or restated.verdict is None:
        return ""
    before, after = bool(analysis.verdict.alike), bool(restated.verdict.alike)
    if before == after:
        return ""
    return ", and then too close to call" if after else ", and then no longer too close to call"


def none(leaks: Leaks | None) -> str:
    """`No suspects among 398 test images`; empty where there are some, or nobody knows."""
    if leaks is None or leaks.pairs:
        return ""
    among = f"No suspects among {wording.count(leaks.tested, 'test image')}"
    if leaks.unseen:
        return f"{among}, but near duplicates were not looked for: {leaks.unseen}."
    return f"{among}: none is a training or validation image too, or looks nearly like one."


def _counted(leaks: Leaks) -> str:
    kinds = Counter(_kind(leaks, image) for image in leaks.images)
    counts = [f"{kinds[k]:,} {COUNTED[k][kinds[k] != 1]}" for k in KINDS if kinds[k]]
    missed = f" Near duplicates were not looked for: {leaks.unseen}." if leaks.unseen else ""
    several = f"{len(leaks.images):,} of {wording.count(leaks.tested, 'test image')}"
    are = "is a suspect: it" if len(leaks.images) == 1 else "are suspects: each"
    return (
        f"{several} {are} "
        f"has a twin among the training or validation images ({', '.join(counts)}).{missed}"
    )


def _kind(leaks: Leaks, image: str) -> str:
    """The kind of the first pair of an image."""
    return next(pair.kind for pair in leaks.pairs if pair.image == image)


def method(leaks: Leaks) -> Text:
    """How they are looked for, and what that cannot see."""
    return Text(
        f"{LOOKED_FOR} The first report of a data set looks for them, and keeps what it found in "
        "the store."
        if leaks.unseen != NO_PIXELS
        else LOOKED_FOR
    )


def _standings(run_data: RunData, restated: Restated) -> Table:
    """Each network with all test images, and without the suspects."""
    metric, period = run_data.metric, run_data.period
    after = {one.backbone: one for one in restated.run_data.comparison.at(period)}
    shown = foremost(run_data)
    pairs = [
        (one, after[one.backbone])
        for one in run_data.comparison.at(period)
        if one.lead and one.backbone in shown
    ]
    rows = tuple(
        (
            wording.title(one.backbone),
            *_standing(one, run_data.leader),
            *_standing(other, restated.run_data.leader),
        )
        for one, other in pairs
    )
    fewer = restated.run_data.test_images
    head = (
        "Network",
        f"All {run_data.test_images:,} images",
        "95% interval",
        "Rank",
        f"Without suspects ({fewer:,})",
        "95% interval",
        "Rank",
    )
    title = f"{metric.title} with and without the suspects"
    return Table(head, rows, tuple(range(1, len(head))), name="without-suspects", title=title)


def _standing(one: Standing, lead: Leader | None) -> tuple[Cell, ...]:
    """Value, interval over images and rank."""
    ranks = {s.backbone: place for place, s in enumerate(lead.ranking if lead else (), 1)}
    value = one.lead.mean if one.lead else None
    ends, rank = one.lead_interval, ranks.get(one.backbone)
    return (
        Cell(wording.metric(one.metric, value), -1.0 if value is None else value),
        Cell(wording.range_of(one.metric, ends) if ends else "–", ends.low if ends else -1.0),
        Cell("–" if rank is None else str(rank), rank or 1e12),
    )


def _tests(run_data: RunData, analysis: Analysis, restated: Restated) -> Table:
    """The first network against each other one, with all test images and without the suspects."""
    lead = run_data.leader
    names = [one.backbone for one in lead.ranking] if lead else []
    shown = [name for name in names[1:] if name in foremost(run_data)]
    rows = tuple(
        (
            f"{wording.title(names[0])} − {wording.title(name)}",
            *_test(run_data, find_pair(analysis.paired_tests, names[0], name)),
            *_test(run_data, find_pair(restated.paired_tests, names[0], name)),
        )
        for name in shown
    )
    unit = " (points)" if run_data.metric.form == "share" else ""
    each = (f"Difference{unit}", "95% interval", "p (Holm)")
    head = ("Pair", *each, *each)
    title = f"Tests with all {run_data.test_images:,} test images, and without the suspects"
    return Table(
        head, rows, tuple(range(1, 7)), name="without-suspects-tests", title=title, style="long"
    )


def _test(run_data: RunData, test: PairwiseTest | None) -> tuple[str, ...]:
    if test is None:
        return "–", "–", "–"
    metric, ends = run_data.metric, test.seed_interval or test.interval
    p = test.p_holm if test.p_seeds_holm is None else test.p_seeds_holm
    return (
        Cell(wording.signed_gap(metric, test.difference), test.difference),
        Cell(wording.gaps(metric, ends), ends.low),
        Cell(wording.p_value(p), p),
    )


def _listed_told(leaks: Leaks) -> str:
    number = len(leaks.pairs)
    if number <= MAX_PAIRS:
        return f"The {wording.count(number, 'pair')}"
    return f"{MAX_PAIRS} of {number:,} pairs (report.json has all)"


def _pairs(leaks: Leaks) -> Table:
    rows = tuple(
        (
            wording.plain(pair.image),
            wording.plain(pair.label),
            wording.plain(pair.twin),
            wording.plain(pair.twin_label),
            pair.split,
            pair.kind,
            Cell("–" if pair.levels is None else f"{pair.levels:.1f}", pair.levels or 0.0),
        )
        for pair in leaks.pairs[:MAX_PAIRS]
    )
    head = ("Test image", "Class", "Twin", "Its class", "Its split", "Kind", "Levels apart")
    title = f"Suspects; at most {MAX_TWINS} twins of an image"
    return Table(head, rows, (6,), name="suspects", title=title, style="long")


@dataclass(frozen=True)
class _PairGallery:
    """Pairs as samples of a figure."""

    gallery: Gallery
    samples: list[tuple[str, list[str]]]

    def small(self, image: str) -> Any:
        return self.gallery.small(image)


def _pictures(leaks: Leaks, gallery: Gallery) -> tuple[str, *tuple[Samples, ...]]:
    """Pairs as pictures, the test image on the left; one pair for each of the first images."""
    first: dict[str, Suspect] = {}
    for pair in leaks.pairs:
        if {pair.image, pair.twin} <= gallery.rows.keys():
            first.setdefault(pair.image, pair)
    shown = list(first.values())[:MAX_PICTURES]
    if not shown:
        return ("",)
    samples = [
        (f"{pair.image} · {pair.twin} ({pair.split})", [pair.image, pair.twin]) for pair in shown
    ]
    figure = images.sheet(
        _PairGallery(gallery, samples),
        "suspects",
        f"{len(shown)} test images, each beside its twin",
        f"{len(shown)} of {len(leaks.images):,} suspects, each on the left, and its twin.",
    )
    title = f"Pictures of {len(shown)} of {len(leaks.images):,} suspects, each beside its twin"
    return title, Samples(tuple((label, tuple(two)) for label, two in samples), figure)
