"""An inspection as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jobs import install_hints
from jobs.data import value_range
from jobs.data.sources import LAYOUTS
from orchestrator.datasets.inspect import Inspection
from orchestrator.formatting import megabytes, plain

SHOWN = 10
MAX_CLASSES = 200
SPLITS = ("train", "validation", "test")


def lines(inspection: Inspection) -> Iterator[str]:
    """Counts first, then what is broken or odd."""
    yield (
        f"{plain(inspection.folder)}: {inspection.files:,} files in "
        f"{len(inspection.classes)} classes, {megabytes(inspection.bytes)}"
    )
    origin = f" ({plain(inspection.labels)})" if inspection.labels else ""
    yield f"source: {LAYOUTS[inspection.layout].words}{origin}"
    if inspection.groups:
        yield f"groups: {inspection.groups:,}; each stays in one split, unless the split is given"
    yield from _classes(inspection)
    yield f"formats: {counted(inspection.formats) or 'none'}"
    if not inspection.decoded:
        yield (
            "Pillow is not installed, so only the first bytes were checked. For a full check: "
            f"{install_hints.install_command('worker')}"
        )
    if inspection.sizes:
        yield f"modes: {counted(inspection.modes)}; values: {counted(inspection.depths)}"
        yield f"pixels (smallest, median, largest): {sizes(inspection)}"
    if inspection.value_range and "fault" not in inspection.value_range:
        kinds = counted(inspection.value_range["kinds"])
        yield f"values beyond 8 bits: {value_range.in_words(inspection.value_range)} ({kinds})"
    for title, listed_ in sections(inspection).items():
        yield from listed(title, listed_)


def sections(inspection: Inspection) -> dict[str, list[str]]:
    """What is broken or odd, under its titles."""
    return {
        "broken files": [f"{path}: {fault}" for path, fault in inspection.broken.items()],
        "groups of exact duplicates": [" = ".join(group) for group in inspection.duplicates],
        "equal images in several classes": [
            " = ".join(group) for group in inspection.contradictions
        ],
        "notes": inspection.notes,
    }


def counted(counts: Mapping[str, int]) -> str:
    """Such as `JPEG 12, PNG 3`."""
    return ", ".join(f"{plain(name)} {count:,}" for name, count in counts.items())


def sizes(inspection: Inspection) -> str:
    """Such as `width 200, 320, 320; height 120, 213, 320`."""
    return "; ".join(
        f"{s} {', '.join(map(str, lengths))}" for s, lengths in inspection.sizes.items()
    )


def listed(title: str, entries: Sequence[str]) -> Iterator[str]:
    """The first entries below a title with their number."""
    yield f"{title}: {len(entries) or 'none'}"
    for entry in entries[:SHOWN]:
        yield f"  {plain(entry)}"
    if len(entries) > SHOWN:
        yield f"  and {len(entries) - SHOWN} more (--json lists all)"


def _classes(inspection: Inspection) -> Iterator[str]:
    """A line for each class; images in all and by split."""
    yield f"  {'class':<24} {'files':>8} {'train':>8} {'valid.':>8} {'test':>8}"
    for label, count in list(inspection.classes.items())[:MAX_CLASSES]:
        of_class = "".join(f" {inspection.by_split[label][split]:>8,}" for split in SPLITS)
        yield f"  {plain(label):<24} {count:>8,}{of_class}"
    if len(inspection.classes) > MAX_CLASSES:
        yield f"  and {len(inspection.classes) - MAX_CLASSES} more classes (--json lists all)"
