"""Section: pairwise tests, and ranks over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.pairwise import LEVEL, PairwiseTest, find_pair
from orchestrator.analysis.ranks import Ranks
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, heatmap, theme, wording
from orchestrator.report.rendering.elements import Cell, Fold, Part, Section, Table
from orchestrator.report.rendering.figure import Chart, draw_chart, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def section(run_data: RunData, analysis: Analysis) -> Section | None:
    """Tests after the compared period; None with fewer than two networks."""
    if not analysis.paired_tests:
        return None
    several = run_data.run.spec.seeds > 1
    names = [name for name in run_data.comparison.backbones if name in analysis.first]
    built: list[Part] = [
        *elements.figures([matrix(analysis.paired_tests, names, analysis.epoch)], style="compact"),
        Fold(
            f"{wording.count(len(analysis.paired_tests), 'test')}: counts, intervals and p-values",
            table(analysis.paired_tests, several),
        ),
    ]
    if analysis.ranks:
        built += [
            elements.Heading("Ranks over seeds"),
            elements.Text(told(analysis.ranks, "seeds")),
            *elements.figures([critical(analysis.ranks, "seed")]),
        ]
    return Section("certainty", "Statistical significance", _lead(analysis, several), tuple(built))


def table(paired_tests: Sequence[PairwiseTest], several: bool, name: str = "duels") -> Table:
    """Every pairwise test: counts, difference, interval, p-values."""
    rows = tuple(
        (
            wording.title(d.first),
            wording.title(d.second),
            Cell(f"{d.only_first:,}", d.only_first),
            Cell(f"{d.only_second:,}", d.only_second),
            Cell(wording.signed(d.difference), d.difference),
            Cell(wording.difference(d.interval), d.interval.low),
            Cell(wording.p_value(d.p), d.p),
            Cell(wording.p_value(d.p_holm), d.p_holm),
            "yes" if d.significant else "no",
        )
        for d in paired_tests
    )
    first = ", first seed" if several else ""
    head = (
        "Network",
        "against",
        f"only it correct{first}",
        f"only other correct{first}",
        "Difference",
        "95% interval",
        "p",
        "p (Holm)",
        "Significant",
    )
    return Table(
        head,
        rows,
        (2, 3, 4, 5, 6, 7),
        name=name,
        style="long",
        title="Pairs of networks: McNemar's exact test, Holm's correction, bootstrap interval",
    )


def matrix(paired_tests: Sequence[PairwiseTest], names: Sequence[str], epoch: int) -> Chart:
    """Differences in percentage points; coloured where significant."""

    def square(row: str, column: str) -> heatmap.HeatmapCell:
        paired_test = find_pair(paired_tests, row, column)
        if paired_test is None:
            return heatmap.HeatmapCell()
        text, points = wording.signed(paired_test.difference), abs(100 * paired_test.difference)
        if not paired_test.significant:
            return heatmap.HeatmapCell(f"({text})")
        colour = theme.RIGHT if paired_test.difference > 0 else theme.WRONG
        return heatmap.HeatmapCell(text, "", colour, 0.18 + 0.55 * min(1.0, points / 20))

    titles = [wording.title(name) for name in names]
    grid = heatmap.Heatmap(
        f"Row minus column, after epoch {epoch}",
        f"percentage points · {paired_tests[0].images:,} test images",
        titles,
        titles,
        [[square(row, column) for column in names] for row in names],
        "",
        "",
        46.0,
        9.0,
    )
    caption = (
        f"Blue: the row's network is better, orange: worse, with p < {LEVEL:g} after Holm's "
        "correction. In brackets and without colour: not statistically significant."
    )
    return heatmap.draw_heatmap(
        "differences", f"Differences in accuracy between {len(names)} networks", caption, grid
    )


def critical(found: Ranks, block: str) -> Chart:
    """Critical difference diagram of mean ranks (Demšar 2006, figure 1)."""
    count = len(found.means)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (name, mean) in enumerate(found.means):
            _rank_line(axes, name, mean, place + 1, count)
        _bars(axes, found)
        axes.set_ylim(count + 0.8, -1.0 - 0.25 * len(found.groups))
        axes.set_xlim(0.8, count + 0.4)
        axes.set_xticks(range(1, count + 1))
        axes.set_yticks([])
        axes.grid(False)
        axes.set_xlabel("mean rank (1 is best)")
        basis = f"{wording.count(found.blocks, block)} · CD {found.critical:.2f}"
        title(axes, "Critical difference", basis)

    caption = (
        f"Networks under one bar differ by less than the critical difference {found.critical:.2f} "
        "(Nemenyi, 5%), which is not significant."
    )
    return draw_chart(
        "ranks",
        f"Mean ranks of {count} networks with the critical difference",
        caption,
        (6.6, 1.5 + 0.22 * count),
        paint,
    )


def told(found: Ranks, blocks: str) -> str:
    """Friedman's test in words."""
    power = (
        " With few rankings, only large differences become significant." if found.blocks < 5 else ""
    )
    return (
        f"Friedman's test over {found.blocks} {blocks}: {wording.p_equals(found.p)} (chi-squared "
        f"{found.statistic:.1f}). Mean ranks must differ by {found.critical:.2f} or more to be "
        f"significant (Nemenyi).{power}"
    )


def _rank_line(axes: Axes, name: str, mean: float, row: int, count: int) -> None:
    """Draw one network: from its mean rank on the axis down to its row, and its name there."""
    colour, marker = theme.colour(name), theme.marker(name)
    axes.plot([mean, mean, count + 0.35], [0, row, row], color=colour, linewidth=1)
    axes.plot([mean], [0], marker=marker, color=colour, markersize=7, linestyle="none")
    axes.text(count + 0.4, row, f"{wording.title(name)}  {mean:.2f}", va="center", fontsize=8.5)


def _bars(axes: Axes, found: Ranks) -> None:
    means = dict(found.means)
    for level, group in enumerate(found.groups):
        ends = [means[group[0]] - 0.05, means[group[-1]] + 0.05]
        axes.plot(
            ends, [-0.55 - 0.25 * level] * 2, color=theme.INK, linewidth=3, solid_capstyle="round"
        )


def _lead(analysis: Analysis, several: bool) -> str:
    images = wording.count(analysis.paired_tests[0].images, "test image")
    opening = (
        f"After epoch {analysis.epoch}, on the same {images}. McNemar's exact test uses only "
        "images that exactly one of two networks classified correctly. Holm's correction covers "
        f"{wording.count(len(analysis.paired_tests), 'p-value')}. "
    )
    if several:
        return (
            opening
            + "The interval of the difference resamples seeds and images (4,000 bootstrap draws). "
            "A difference is significant when p and interval agree."
        )
    return (
        opening
        + "The interval of the difference resamples the images (4,000 bootstrap draws). Both "
        "apply to these trained networks and to other test images, not to other seeds."
    )
