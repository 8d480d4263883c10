"""Colours and markers, one per backbone; the page replaces colours by CSS variables."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from jobs.catalog import backbones

INK, MUTED, GRID, PAPER, ON_FILL, HOLLOW = (
    "#1c2530",
    "#5a6572",
    "#e4e8ed",
    "#ffffff",
    "#fdfdfe",
    "#fefefe",
)
RIGHT, WRONG = "#2b6cb0", "#c2410c"
SPLITS = {"train": "#37618f", "validation": "#7fa3c7", "test": "#d98a3d"}
SERIES = ("#9292ba", "#c88915", "#08ac72", "#1c3541", "#3b2ff7", "#830a9d", "#7f1e08", "#2f2f2f")
"""One colour per backbone, in catalog order.

Any two of the first seven differ by more than 27 (CIE76), in the light and dark palette.
This holds for normal vision, deuteranopia, protanopia and tritanopia (Machado 2009, severity 1).
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
"""Line styles of the first eight networks, the next eight, and so on."""

TOKENS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    ON_FILL: "var(--on-fill)",
    HOLLOW: "var(--paper)",
    RIGHT: "var(--right)",
    WRONG: "var(--wrong)",
    **{colour: f"var(--{name})" for name, colour in SPLITS.items()},
    **{colour: f"var(--series-{place})" for place, colour in enumerate(SERIES)},
}
"""CSS variables for the colours of figures; their values depend on light or dark mode."""

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 20,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "image.interpolation": "none",
    "path.simplify": True,
}
"""Matplotlib settings; `text.parse_math` is off, so that a class named `$x$` is shown literally."""


_places: ContextVar[Mapping[str, int]] = ContextVar("places", default=MappingProxyType({}))


@contextlib.contextmanager
def networks(names: Iterable[str]) -> Iterator[None]:
    """Give each network of a report its place while the report is made.

    Networks of the catalog keep theirs; others take the free ones, in the order of `names`.
    """
    known = {name: place for place, name in enumerate(backbones.CATALOG)}
    shown = list(dict.fromkeys(names))
    taken = {known[name] for name in shown if name in known}
    free = (place for place in itertools.count() if place not in taken)
    others = {name: next(free) for name in shown if name not in known}
    before = _places.set(known | others)
    try:
        yield
    finally:
        _places.reset(before)


def place(backbone: str) -> int:
    """The backbone's place: in the catalog's order, else as `networks` gave it."""
    places = _places.get()
    if backbone in places:
        return places[backbone]
    known = list(backbones.CATALOG)
    return known.index(backbone) if backbone in known else len(SERIES) - 1


def colour(backbone: str) -> str:
    """The backbone's colour."""
    return SERIES[place(backbone) % len(SERIES)]


def marker(backbone: str) -> str:
    """The backbone's marker; backbones that share a colour have different ones."""
    rounds, index = divmod(place(backbone), len(SERIES))
    return MARKERS[(index + rounds) % len(MARKERS)]


def line(backbone: str) -> Any:
    """The backbone's line style; backbones that share a colour have different ones."""
    return LINES[place(backbone) // len(SERIES) % len(LINES)]
