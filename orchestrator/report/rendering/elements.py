"""Elements of a report, independent of the output format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from orchestrator.analysis.examples import Example
from orchestrator.report.rendering.figure import Chart


class Cell(str):
    """Text of a table cell, with its sort key."""

    key: float | None

    def __new__(cls, text: str, key: float | None = None) -> Cell:
        """Create a cell; without `key` it sorts as text."""
        made = super().__new__(cls, text)
        made.key = key
        return made


@dataclass(frozen=True, slots=True)
class Table:
    """A table: header, rows of text, numeric columns, and the best rows (by index).

    `name` is its file name in other formats, `title` its caption there; `style` is for the page.
    """

    kind: ClassVar[str] = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    best: tuple[int, ...] = ()
    name: str = ""
    title: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Sentences; with `href`, a link to a file beside the page."""

    kind: ClassVar[str] = "text"
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures in one column, or two side by side where they fit."""

    kind: ClassVar[str] = "figures"
    drawings: tuple[Chart, ...]
    columns: int = 1
    style: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Examples; `figure` shows them in Markdown, `grouped` groups them by kind."""

    kind: ClassVar[str] = "cards"
    examples: tuple[Example, ...]
    figure: Chart | None = None
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """Some images of each class."""

    kind: ClassVar[str] = "samples"
    classes: tuple[tuple[str, tuple[str, ...]], ...]
    figure: Chart | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch between counts and shares in the matrices of its section."""

    kind: ClassVar[str] = "switch"


@dataclass(frozen=True, slots=True)
class Fold:
    """Parts that stay collapsed until the reader opens them."""

    kind: ClassVar[str] = "fold"
    title: str
    parts: tuple[Heading | Text | Table | Figures | Cards | Samples, ...]


Part = Heading | Text | Table | Figures | Cards | Samples | Fold | Switch


@dataclass(frozen=True, slots=True)
class Content:
    """What a section shows: lead sentence and parts; `title` replaces that of its entry."""

    lead: str
    parts: tuple[Part, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One section on a page: anchor, title, lead sentence, parts."""

    place: str
    title: str
    lead: str
    parts: tuple[Part, ...]


def drawings(sections: Iterable[Section]) -> Iterator[Chart]:
    """All figures, in order of the page."""
    for part in _parts(sections):
        if isinstance(part, Figures):
            yield from part.drawings
        elif isinstance(part, Cards | Samples) and part.figure:
            yield part.figure


def tables(sections: Iterable[Section]) -> list[Table]:
    """All named tables."""
    return [part for part in _parts(sections) if isinstance(part, Table) and part.name]


def figures(drawn: Sequence[Chart | None], columns: int = 1, style: str = "") -> list[Figures]:
    """The figures that are not None, as one part; an empty list if there are none."""
    there = tuple(drawing for drawing in drawn if drawing)
    return [Figures(there, columns, style)] if there else []


def fold(title: str, *parts: Heading | Text | Table | Figures | Cards | Samples) -> list[Fold]:
    """These parts folded under a title; an empty list if there are none."""
    return [Fold(title, parts)] if parts else []


def _parts(sections: Iterable[Section]) -> Iterator[Part]:
    """All parts, those of folds in their place."""
    for part in (part for section in sections for part in section.parts):
        if isinstance(part, Fold):
            yield from part.parts
        else:
            yield part
