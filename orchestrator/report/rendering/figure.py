"""A figure as SVG and PNG; equal data gives identical bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from orchestrator.report.rendering import theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DOTS_PER_INCH = 144
SVG_DOTS_PER_INCH = 100
"""Resolution of raster images embedded in the SVG."""
LEGEND_COLUMNS, LEGEND_LETTERS, LEGEND_ROW_INCHES = 4, 22, 0.18
HEAD = re.compile(r"^.*?(?=<svg )", re.DOTALL)
METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
UNUSED_ID = re.compile(
    r' id="(?:figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|[A-Za-z]+'
    r'Collection)_\d+"'
)


@dataclass(frozen=True)
class Chart:
    """One figure: file stem, alternative text, caption; `draw` makes its SVG and PNG when asked."""

    name: str
    alt: str
    caption: str
    draw: Callable[[], tuple[str, bytes]]

    @cached_property
    def _drawn(self) -> tuple[str, bytes]:
        return self.draw()

    @property
    def svg(self) -> str:
        """The figure as SVG."""
        return self._drawn[0]

    @property
    def png(self) -> bytes:
        """The figure as PNG."""
        return self._drawn[1]

    @property
    def inline(self) -> Markup:
        """The SVG for the page: without size, with the page's font and colours.

        Safe as markup: matplotlib escapes all text in it.
        """
        body = UNUSED_ID.sub("", METADATA.sub("", HEAD.sub("", self.svg)))
        body = re.sub(r'^<svg ([^>]*?)(width="[^"]*" |height="[^"]*" )+', r"<svg \1", body)
        body = re.sub(r"font: ([^;\"]*)'DejaVu Sans'", r"font: \1var(--sans)", body)
        body = body.replace(f"fill: {theme.PAPER}", "fill: none")
        body = re.sub(r"#[0-9a-f]{6}", lambda match: theme.TOKENS.get(match[0], match[0]), body)
        body = re.sub(
            r'\s*height="[^"]*pt"', "", re.sub(r'\s*width="[^"]*pt"', "", body, count=1), count=1
        )
        return Markup(re.sub(r"\n\s*", "\n", body))


def draw_chart(
    name: str, alt: str, caption: str, inches: tuple[float, float], paint: Callable[[Figure], None]
) -> Chart:
    """A chart that `paint` draws on an empty figure; `inches` is its width and height.

    It is drawn later, with the networks' places of now (`theme.networks`).
    """
    now = copy_context()
    return Chart(file_stem(name), alt, caption, lambda: now.run(_draw, name, inches, paint))


def _draw(
    name: str, inches: tuple[float, float], paint: Callable[[Figure], None]
) -> tuple[str, bytes]:
    """SVG and PNG of one figure."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    svg, png, engine = io.StringIO(), io.BytesIO(), ConstrainedLayoutEngine()
    settings: Any = {**theme.RC, "svg.hashsalt": name}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=inches, dpi=PNG_DOTS_PER_INCH, layout=engine)
        FigureCanvasAgg(figure)
        paint(figure)
        # Compute the layout once: a layout engine would make each `savefig` draw the figure twice.
        engine.execute(figure)
        figure.set_layout_engine(None)
        figure.savefig(png, format="png", dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})
        figure.savefig(
            svg, format="svg", dpi=SVG_DOTS_PER_INCH, metadata={"Date": None, "Creator": None}
        )
    return svg.getvalue(), png.getvalue()


def file_stem(name: str) -> str:
    """The name of a figure's files, with characters that every file system takes."""
    return re.sub(r"[^\w.-]", "-", name)


def title(axes: Axes, heading: str, basis: str) -> None:
    """Put the heading above the axes, and under it in small letters what the data is based on."""
    axes.set_title(heading)
    axes.annotate(
        basis,
        (0, 1),
        (0, 7),
        "axes fraction",
        textcoords="offset points",
        fontsize=8.5,
        color=theme.MUTED,
    )


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put one legend below all axes of the figure, with the entries of `axes`.

    Long names get fewer columns, and the figure grows by the rows beyond two.
    """
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    columns = LEGEND_COLUMNS if longest <= LEGEND_LETTERS else 2
    more_rows = max(0, -(-len(labels) // columns) - 2)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_INCHES * more_rows)
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=columns,
        columnspacing=1.2,
        handletextpad=0.4,
    )


def whole_ticks(numbers: list[int], most: int = 12) -> list[int]:
    """Integers from first to last, thinned evenly to at most `most`."""
    first, last = min(numbers), max(numbers)
    step = max(1, -(-(last - first + 1) // most))
    return list(range(first, last + 1, step))
