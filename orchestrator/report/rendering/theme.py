"""Colours and markers, one per backbone; the page replaces colours by CSS variables."""

from __future__ import annotations

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


def place(backbone: str) -> int:
    """Index in the palette, by catalog order; the last one for an unknown backbone."""
    known = list(backbones.CATALOG)
    return known.index(backbone) % len(SERIES) if backbone in known else len(SERIES) - 1


def colour(backbone: str) -> str:
    """The backbone's colour."""
    return SERIES[place(backbone)]


def marker(backbone: str) -> str:
    """The backbone's marker; backbones that share a colour have different ones."""
    known = list(backbones.CATALOG)
    rounds = known.index(backbone) // len(SERIES) if backbone in known else 0
    return MARKERS[(place(backbone) + rounds) % len(MARKERS)]
