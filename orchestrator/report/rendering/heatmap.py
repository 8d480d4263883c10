"""A matrix as SVG and PNG, drawn directly: faster and smaller than with a plotting library."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.report.rendering import theme, wording
from orchestrator.report.rendering.figure import Chart, file_stem

if TYPE_CHECKING:
    from PIL import ImageDraw

TITLE, BASIS, LABEL = 13.0, 9.5, 9.0
SCALE = 2
MAX_SCALE = 1.3
"""Maximum magnification of a matrix on the page (`--most` in its style sheet)."""


@dataclass(frozen=True, slots=True)
class HeatmapCell:
    """One cell: text, alternative text, colour, and `depth`, its opacity (0 to 1)."""

    text: str = ""
    other: str = ""
    colour: str = theme.RIGHT
    depth: float = 0.0


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A matrix with names; `across` and `down` label columns and rows."""

    title: str
    basis: str
    rows: Sequence[str]
    columns: Sequence[str]
    squares: Sequence[Sequence[HeatmapCell]]
    across: str = ""
    down: str = ""
    side: float = 22.0
    font: float = 8.0

    @property
    def left(self) -> float:
        """The x coordinate of the first column."""
        return 24.0 + _widest(self.rows)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        width = max(
            self.left + self.side * len(self.columns) + 6,
            _length(self.title, TITLE) * 1.12 + 12,
            _length(self.basis, BASIS) + 12,
        )
        return width, 46 + self.side * len(self.rows) + _widest(self.columns) + 24


def draw_heatmap(name: str, alt: str, caption: str, grid: Heatmap) -> Chart:
    """The matrix as a figure."""
    return Chart(file_stem(name), alt, caption, lambda: (_svg(grid), _png(grid)))


def _svg(grid: Heatmap) -> str:
    width, height = grid.size
    left, top, side = grid.left, 46.0, grid.side
    bottom = top + side * len(grid.rows)
    middle = left + side * len(grid.columns) / 2
    axis = f"font-size:{BASIS}px;fill:{theme.MUTED}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="font: {grid.font:g}px \'DejaVu Sans\'; '
        f'--most: {MAX_SCALE * width:.0f}px">',
        _text(4, 15, grid.title, f"font-size:{TITLE}px;font-weight:bold;fill:{theme.INK}"),
        _text(4, 32, grid.basis, f"font-size:{BASIS}px;fill:{theme.MUTED}"),
        f'<g style="font-size:{LABEL}px;fill:{theme.INK}">',
        *(
            _text(left - 6, top + side * (i + 0.5) + 3.2, n, anchor="end")
            for i, n in enumerate(grid.rows)
        ),
        *(
            f'<g transform="translate({left + side * (i + 0.5) + 3.2:.1f} {bottom + 6:.1f}) '
            f'rotate(-90)">'
            f"{_text(0, 0, n, anchor='end')}</g>"
            for i, n in enumerate(grid.columns)
        ),
        "</g>",
        *_squares(grid, top),
        *_labels(grid, "text", "counts", ""),
        *_labels(grid, "other", "shares", ' display="none"'),
        _text(middle, height - 6, grid.across, axis, "middle"),
        f'<g transform="translate(12 {(top + bottom) / 2:.1f}) rotate(-90)">'
        f"{_text(0, 0, grid.down, axis, 'middle')}</g></svg>",
    ]
    return "\n".join(line for line in lines if line)


def _squares(grid: Heatmap, top: float) -> list[str]:
    """Filled squares, and one path that draws the lines between them."""
    left, side = grid.left, grid.side
    bottom = top + side * len(grid.rows)
    right = left + side * len(grid.columns)
    filled = [
        f'<rect x="{left + side * across:.1f}" y="{top + side * down:.1f}" width="{side:g}" '
        f'height="{side:g}" '
        f'style="fill:{square.colour};fill-opacity:{square.depth:.2f}"/>'
        for down, row in enumerate(grid.squares)
        for across, square in enumerate(row)
        if square.depth > 0
    ]
    frame = "".join(
        f"M{left + side * i:.1f} {top}V{bottom:.1f}" for i in range(len(grid.columns) + 1)
    )
    frame += "".join(f"M{left} {top + side * i:.1f}H{right:.1f}" for i in range(len(grid.rows) + 1))
    return [*filled, f'<path d="{frame}" style="stroke:{theme.GRID};stroke-width:0.7;fill:none"/>']


def _labels(grid: Heatmap, which: str, style: str, hidden: str) -> list[str]:
    """Cell texts as one group that the page can hide."""
    left = grid.left
    lines = [
        _text(
            left + grid.side * (across + 0.5),
            46 + grid.side * (down + 0.5) + grid.font * 0.36,
            getattr(square, which),
            f"fill:{theme.ON_FILL if square.depth > 0.55 else theme.INK}",
        )
        for down, row in enumerate(grid.squares)
        for across, square in enumerate(row)
        if getattr(square, which)
    ]
    return [f'<g class="{style}" text-anchor="middle"{hidden}>', *lines, "</g>"] if lines else []


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "") -> str:
    if not text:
        return ""
    attributes = (f' style="{style}"' if style else "") + (
        f' text-anchor="{anchor}"' if anchor else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(wording.plain(text))}</text>'


def _draw_squares(pen: ImageDraw.ImageDraw, grid: Heatmap, top: float) -> None:
    """Draw filled squares with their text, and the lines between them."""
    left, side = grid.left, grid.side
    bottom, right = top + side * len(grid.rows), left + side * len(grid.columns)
    for down, row in enumerate(grid.squares):
        for across, square in enumerate(row):
            x, y = left + side * across, top + side * down
            if square.depth > 0:
                pen.rectangle(
                    _scaled(x, y, x + side, y + side), _blend(square.colour, square.depth)
                )
            if square.text:
                colour = theme.ON_FILL if square.depth > 0.55 else theme.INK
                at = _at(x + side / 2, y + side / 2)
                pen.text(at, square.text, colour, _font(grid.font), "mm")
    for i in range(len(grid.columns) + 1):
        pen.line(_scaled(left + side * i, top, left + side * i, bottom), theme.GRID)
    for i in range(len(grid.rows) + 1):
        pen.line(_scaled(left, top + side * i, right, top + side * i), theme.GRID)


def _png(grid: Heatmap) -> bytes:
    from PIL import Image, ImageDraw

    width, height = (round(SCALE * length) for length in grid.size)
    picture = Image.new("RGB", (width, height), theme.PAPER)
    pen, left, top, side = ImageDraw.Draw(picture), grid.left, 46.0, grid.side
    bottom, right = top + side * len(grid.rows), left + side * len(grid.columns)
    _draw_squares(pen, grid, top)
    pen.text(_at(4, 15), wording.plain(grid.title), theme.INK, _font(TITLE, True), "ls")
    pen.text(_at(4, 32), wording.plain(grid.basis), theme.MUTED, _font(BASIS), "ls")
    for i, name in enumerate(grid.rows):
        pen.text(
            _at(left - 6, top + side * (i + 0.5)),
            wording.plain(name),
            theme.INK,
            _font(LABEL),
            "rm",
        )
    for i, name in enumerate(grid.columns):
        _upright(
            picture, wording.plain(name), left + side * (i + 0.5), bottom + 6, theme.INK, LABEL
        )
    pen.text(
        _at((left + right) / 2, grid.size[1] - 6), grid.across, theme.MUTED, _font(BASIS), "ms"
    )
    _upright(
        picture,
        grid.down,
        9,
        (top + bottom) / 2 - _length(grid.down, BASIS) / 2,
        theme.MUTED,
        BASIS,
    )
    made = io.BytesIO()
    picture.save(made, "PNG")
    return made.getvalue()


def _upright(picture: Any, text: str, x: float, y: float, colour: str, size: float) -> None:
    """Vertical text, centred on x, ending at y."""
    from PIL import Image, ImageDraw

    if not text:
        return
    length = round(SCALE * _length(text, size)) + 2
    strip = Image.new("RGB", (length, round(SCALE * size * 1.4)), theme.PAPER)
    ImageDraw.Draw(strip).text((length, strip.height / 2), text, colour, _font(size), "rm")
    picture.paste(
        strip.rotate(90, expand=True), (round(SCALE * x - strip.height / 2), round(SCALE * y))
    )


def _scaled(*lengths: float) -> tuple[float, ...]:
    return tuple(SCALE * length for length in lengths)


def _at(x: float, y: float) -> tuple[float, float]:
    return SCALE * x, SCALE * y


def _blend(colour: str, depth: float) -> tuple[int, ...]:
    return tuple(round(255 - depth * (255 - int(colour[i : i + 2], 16))) for i in (1, 3, 5))


def _widest(names: Sequence[str]) -> float:
    return max((_length(name, LABEL) for name in names), default=0.0)


def _length(text: str, size: float) -> float:
    return float(_font(size).getlength(wording.plain(text))) / SCALE


@cache
def _font(size: float, bold: bool = False) -> Any:
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, round(SCALE * size)
    )
