"""Colours differ for every kind of colour vision, on the light and the dark page, and match between
page and figures.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.report.rendering import theme
from orchestrator.report.rendering.figure import draw_chart

CSS = (Path(theme.__file__).parents[1] / "templates" / "page.css").read_text()
EYES = {
    "usual": np.eye(3),
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanope": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Machado, Oliveira and Fernandes 2009, IEEE TVCG 15:1291-1298, severity 1.0, on linear RGB."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, eye: str) -> Any:
    """The colour in CIELAB (D65) as that eye sees it."""
    coded = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(EYES[eye]) @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def palettes() -> list[list[str]]:
    """The series colours as the page has them: light, dark, print."""
    found = re.findall(r"--series-(\d): (#[0-9a-f]{6})", CSS)
    return [[colour for _, colour in found[start : start + 8]] for start in range(0, len(found), 8)]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("which", [0, 1])
def test_any_two_networks_differ_clearly(which: int, eye: str) -> None:
    """A difference of 27 is more than ten times the just noticeable one."""
    colours = palettes()[which][:7]

    assert min(np.linalg.norm(lab(a, eye) - lab(b, eye)) for a, b in combinations(colours, 2)) > 27


def test_page_and_figures_have_the_same_light_colours() -> None:
    """Print is the light page; each drawn colour has one meaning."""
    light, _, printed = palettes()

    assert tuple(light) == tuple(printed) == theme.SERIES
    assert len(set(theme.TOKENS)) == len(theme.SERIES) + len(theme.SPLITS) + 7
    assert len(set(theme.MARKERS)) == len(theme.SERIES)


def test_thirty_networks_of_any_library_can_be_told_apart() -> None:
    """By colour and marker; the catalog's keep theirs, and a report of few takes the first ones."""
    many = ["squeezenet", *(f"timm:network_{number}" for number in range(29))]
    usual = theme.colour("squeezenet"), theme.marker("squeezenet")
    with theme.networks(many):
        looks = [(theme.colour(name), theme.marker(name)) for name in many]
        lines = [(theme.colour(name), str(theme.line(name))) for name in many]
    with theme.networks(["timm:a", "timm:b"]):
        few = [theme.colour(name) for name in ("timm:a", "timm:b")]

    assert len(set(looks)) == len(set(lines)) == 30
    assert looks[0] == usual
    assert few == list(theme.SERIES[:2])


def test_a_figure_drawn_later_has_the_colours_of_its_report() -> None:
    """Figures are drawn where a format shows them, after the report is put together."""
    drawn: list[str] = []
    names = ["timm:a", "timm:b"]
    with theme.networks(names):
        chart = draw_chart(
            "later", "", "", (1, 1), lambda figure: drawn.extend(map(theme.colour, names))
        )

    assert chart.svg
    assert drawn == list(theme.SERIES[:2])
