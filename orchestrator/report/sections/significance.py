"""Section: pairwise tests, and ranks over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from jobs.catalog.metrics import DEFAULT
from jobs.statistics.interval import LEVEL
from orchestrator.analysis.friedman import FEW_BLOCKS
from orchestrator.analysis.metrics import METRICS, Metric
from orchestrator.analysis.pairwise import PairwiseTest, find_pair
from orchestrator.analysis.ranks import Ranks
from orchestrator.analysis.resampled import RESAMPLED
from orchestrator.report.rendering import elements, heatmap, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Figures, Fold, Part, Table, Text
from orchestrator.report.rendering.figure import Chart, draw_chart, title
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import noninferior
from orchestrator.report.sections.foremost import foremost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TESTS = {True: "McNemar's exact test", False: "random exchanges of their answers"}
MAX_TESTS = 45
"""Rows of the table of tests; as many as ten networks have pairs."""


def section(report: ReportData) -> Content | None:
    """Tests after the compared period; None with fewer than two networks to compare."""
    run_data, analysis = report.run_data, report.analysis
    rivals = [name for name in run_data.rivals if name in analysis.first]
    tests = [t for t in analysis.paired_tests if t.first in rivals and t.second in rivals]
    if not tests:
        return None
    several, metric = run_data.repeated, run_data.metric
    shown = [name for name in foremost(run_data) if name in rivals]
    listed = tests
    if len(shown) < len(rivals) and run_data.leader:
        listed = closest_first(tests, [each.backbone for each in run_data.leader.ranking])
    built: list[Part] = [
        *elements.figures([matrix(tests, shown, analysis.epoch, metric)], style="compact"),
        Fold(_tests_told(len(listed), len(tests)), (table(listed, several, metric=metric),)),
    ]
    if analysis.margin is not None:
        built += elements.fold(*noninferior.parts(run_data, analysis))
    if analysis.ranks:
        ranks: list[Text | Figures] = [Text(told(analysis.ranks, "seeds"))]
        if not analysis.ranks.few:
            ranks += elements.figures([critical(analysis.ranks, "seed")])
        built.append(Fold("Ranks over seeds", tuple(ranks)))
    lead = _lead(analysis.epoch, tests, len(analysis.paired_tests), several, metric)
    if len(shown) < len(rivals):
        lead += f" The figure shows the {len(shown)} best of {len(rivals)} networks."
    return Content(lead, tuple(built))


def closest_first(
    paired_tests: Sequence[PairwiseTest], ranking: Sequence[str]
) -> list[PairwiseTest]:
    """The leader's tests, then those of the closest rivals; at most `MAX_TESTS`."""
    place = {name: number for number, name in enumerate(ranking)}

    def order(test: PairwiseTest) -> tuple[int, int]:
        places = [place.get(name, len(place)) for name in (test.first, test.second)]
        return (0, max(places)) if 0 in places else (1, sum(places))

    return sorted(paired_tests, key=order)[:MAX_TESTS]


def _tests_told(listed: int, count: int) -> str:
    """The title of the table of tests."""
    what = f"{wording.count(listed, 'test')}: counts, intervals and p-values"
    if listed == count:
        return what
    return (
        f"{listed} of {count:,} tests, the leader's and those of the best networks: counts, "
        "intervals and p-values (report.json has all)"
    )


def table(
    paired_tests: Sequence[PairwiseTest],
    several: bool,
    name: str = "duels",
    metric: Metric = METRICS[DEFAULT],
) -> Table:
    """Every pairwise test; with several seeds that over seeds and images, else over images."""
    exact = all(test.method == "mcnemar" for test in paired_tests)
    counts = ("only it correct", "only the other") if exact and not several else ()
    tested = ("Difference", "95% interval", "p", "p (Holm)", "Told apart")
    head = ("Network", "against", *counts, *tested)
    resampled = any(test.method == RESAMPLED for test in paired_tests)
    title = (
        f"Every two networks over {'splits' if resampled else 'seeds and images'}, with Holm's "
        "correction"
        if several
        else f"Every two networks on these images: {TESTS[exact]}, Holm's correction"
    )
    row = partial(_seed_row if several else _image_row, metric)
    rows = tuple(
        (wording.title(test.first), wording.title(test.second), *row(test)) for test in paired_tests
    )
    numeric = tuple(range(2, len(head) - 1))
    return Table(head, rows, numeric, name=name, style="long", title=title)


def _image_row(metric: Metric, test: PairwiseTest) -> tuple[str, ...]:
    counts = [count for count in (test.only_first, test.only_second) if count is not None]
    return (
        *(Cell(f"{count:,}", count) for count in counts),
        Cell(wording.signed_gap(metric, test.difference), test.difference),
        Cell(wording.gaps(metric, test.interval), test.interval.low),
        Cell(wording.p_value(test.p), test.p),
        Cell(wording.p_value(test.p_holm), test.p_holm),
        "yes" if test.significant else "no",
    )


def _seed_row(metric: Metric, test: PairwiseTest) -> tuple[str, ...]:
    difference = Cell(wording.signed_gap(metric, test.difference), test.difference)
    if test.seed_interval is None or test.p_seeds is None or test.p_seeds_holm is None:
        return difference, "–", "–", "–", "not tested: one seed"
    return (
        difference,
        Cell(wording.gaps(metric, test.seed_interval), test.seed_interval.low),
        Cell(wording.p_value(test.p_seeds), test.p_seeds),
        Cell(wording.p_value(test.p_seeds_holm), test.p_seeds_holm),
        "yes" if test.significant else "no",
    )


def matrix(
    paired_tests: Sequence[PairwiseTest],
    names: Sequence[str],
    epoch: int,
    metric: Metric = METRICS[DEFAULT],
) -> Chart:
    """Differences in points, or in the unit of the metric; coloured where significant."""
    share = metric.form == "share"
    deepest = 0.2 if share else max(abs(test.difference) for test in paired_tests) or 1.0

    titles = [wording.in_figure(name) for name in names]
    grid = heatmap.Heatmap(
        f"Row minus column, after epoch {epoch}",
        f"{'percentage points' if share else wording.noun(metric)} · "
        f"{paired_tests[0].images:,} test images",
        titles,
        titles,
        [[_square(find_pair(paired_tests, a, b), metric, deepest) for b in names] for a in names],
        "",
        "",
        46.0,
        9.0,
    )
    noun = "accuracy" if metric.name == "accuracy" else wording.noun(metric)
    caption = (
        f"Blue: the row's network is better, orange: worse, with p < {LEVEL:g} after Holm's "
        "correction. In brackets and without colour: too close to call."
    )
    return heatmap.draw_heatmap(
        "differences", f"Differences in {noun} between {len(names)} networks", caption, grid
    )


def _square(test: PairwiseTest | None, metric: Metric, deepest: float) -> heatmap.HeatmapCell:
    """The difference of two networks; `deepest` is the difference with the deepest colour."""
    if test is None:
        return heatmap.HeatmapCell()
    text = wording.signed_gap(metric, test.difference)
    if not test.significant:
        return heatmap.HeatmapCell(f"({text})")
    colour = theme.RIGHT if test.gain > 0 else theme.WRONG
    depth = min(1.0, abs(test.difference) / deepest)
    return heatmap.HeatmapCell(text, "", colour, 0.18 + 0.55 * depth)


def critical(ranks: Ranks, block: str) -> Chart:
    """Critical difference diagram of mean ranks (Demšar 2006, figure 1)."""
    count = len(ranks.means)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (name, mean) in enumerate(ranks.means):
            _rank_line(axes, name, mean, place + 1, count)
        _bars(axes, ranks)
        axes.set_ylim(count + 0.8, -1.0 - 0.25 * len(ranks.groups))
        axes.set_xlim(0.8, count + 0.4)
        axes.set_xticks(range(1, count + 1))
        axes.set_yticks([])
        axes.grid(False)
        axes.set_xlabel("mean rank (1 is best)")
        basis = f"{wording.count(ranks.blocks, block)} · CD {ranks.critical:.2f}"
        title(axes, "Critical difference", basis)

    caption = (
        f"Networks under one bar differ by less than the critical difference {ranks.critical:.2f} "
        "(Nemenyi, 5%), which is not significant."
    )
    return draw_chart(
        "ranks",
        f"Mean ranks of {count} networks with the critical difference",
        caption,
        (6.6, 1.5 + 0.22 * count),
        paint,
    )


def told(ranks: Ranks, blocks: str) -> str:
    """Friedman's test in words, and the critical difference where there are enough blocks."""
    how = {"exact": ", exact", "permutation": ", by random permutations"}.get(ranks.method, "")
    opening = (
        f"Friedman's test over {ranks.blocks} {blocks}: {wording.p_equals(ranks.p)}{how} "
        f"(statistic {ranks.statistic:.1f})."
    )
    if ranks.few:
        return (
            f"{opening} Mean ranks: {_listed_ranks(ranks)}. Fewer than {FEW_BLOCKS} {blocks} are "
            "too few for a critical difference."
        )
    return (
        f"{opening} Mean ranks must differ by {ranks.critical:.2f} or more to be significant "
        "(Nemenyi)."
    )


def _listed_ranks(ranks: Ranks) -> str:
    return wording.listed([f"{wording.title(name)} {mean:.2f}" for name, mean in ranks.means])


def _rank_line(axes: Axes, name: str, mean: float, row: int, count: int) -> None:
    """Draw one network: from its mean rank on the axis down to its row, and its name there."""
    colour, marker = theme.colour(name), theme.marker(name)
    axes.plot([mean, mean, count + 0.35], [0, row, row], color=colour, linewidth=1)
    axes.plot([mean], [0], marker=marker, color=colour, markersize=7, linestyle="none")
    axes.text(count + 0.4, row, f"{wording.in_figure(name)}  {mean:.2f}", va="center", fontsize=8.5)


def _bars(axes: Axes, ranks: Ranks) -> None:
    means = dict(ranks.means)
    for level, group in enumerate(ranks.groups):
        ends = [means[group[0]] - 0.05, means[group[-1]] + 0.05]
        axes.plot(
            ends, [-0.55 - 0.25 * level] * 2, color=theme.INK, linewidth=3, solid_capstyle="round"
        )


def _lead(
    epoch: int, tests: Sequence[PairwiseTest], corrected: int, several: bool, metric: Metric
) -> str:
    images = wording.count(tests[0].images, "test image")
    holm = f"p-values of all {wording.count(corrected, 'pair')} are corrected together (Holm)"
    if tests[0].method == RESAMPLED:
        return (
            f"After epoch {epoch}, over {tests[0].seeds} splits{_by(metric)}. The corrected "
            "resampled t-test (Nadeau and Bengio) holds each mean difference against its scatter "
            f"over the splits, times 1/k + n_test/n_train for the images that they share; {holm}. "
            "The first sentence of this page uses the intervals without correction for pairs."
        )
    if several:
        return (
            f"After epoch {epoch}, on the same {images}{_by(metric)}. Each difference of means is "
            "held against "
            "the scatter of the seeds and of the images (Obuchowski and Rockette's model); "
            f"{holm}. The first sentence of this page uses the intervals without correction."
        )
    if tests[0].method != "mcnemar":
        return (
            f"After epoch {epoch}, on the same {images}{_by(metric)}. The test exchanges the "
            "answers of two networks to images at random, and counts how often their difference "
            f"is as large as the observed one; {holm}. Tests and intervals (4,000 bootstrap draws) "
            "speak of other test images, not of other seeds."
        )
    return (
        f"After epoch {epoch}, on the same {images}{_by(metric)}. McNemar's exact test looks only "
        f"at images that one of two networks predicted correctly and the other did not; {holm}. "
        "Tests and intervals (4,000 bootstrap draws) speak of other test images, not of other "
        "seeds."
    )


def _by(metric: Metric) -> str:
    """What is compared, where it is not accuracy."""
    return "" if metric.name == "accuracy" else f", by {wording.noun(metric)}"
