"""An inspection as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jobs import install_hints
from jobs.data import value_range
from jobs.data.sources import LAYOUTS
from orchestrator.datasets.inspect import Inspection
from orchestrator.formatting import plain

SHOWN = 10
MAX_CLASSES = 200
SPLITS = ("train", "validation", "test")


def lines(found: Inspection) -> Iterator[str]:
    """Counts first, then what is broken or odd."""
    yield (
        f"{plain(found.folder)}: {found.files:,} files in {len(found.classes)} classes, "
        f"{found.bytes / 1e6:,.1f} MB"
    )
    origin = f" ({plain(found.labels)})" if found.labels else ""
    yield f"source: {LAYOUTS[found.layout].words}{origin}"
    if found.groups:
        yield f"groups: {found.groups:,}; each stays in one split, unless the split is given"
    yield from _classes(found)
    yield f"formats: {counted(found.formats) or 'none'}"
    if not found.decoded:
        yield (
            "Pillow is not installed, so only the first bytes were checked. For a full check: "
            f"{install_hints.install_command('worker')}"
        )
    if found.sizes:
        yield f"modes: {counted(found.modes)}; values: {counted(found.depths)}"
        yield f"pixels (smallest, median, largest): {sizes(found)}"
    if found.value_range and "fault" not in found.value_range:
        kinds = counted(found.value_range["kinds"])
        yield f"values beyond 8 bits: {value_range.in_words(found.value_range)} ({kinds})"
    for title, listed_ in sections(found).items():
        yield from listed(title, listed_)


def sections(found: Inspection) -> dict[str, list[str]]:
    """What is broken or odd, under its titles."""
    return {
        "broken files": [f"{path}: {fault}" for path, fault in found.broken.items()],
        "groups of exact duplicates": [" = ".join(group) for group in found.duplicates],
        "equal images in several classes": [" = ".join(group) for group in found.contradictions],
        "notes": found.notes,
    }


def counted(counts: Mapping[str, int]) -> str:
    """Such as `JPEG 12, PNG 3`."""
    return ", ".join(f"{plain(name)} {count:,}" for name, count in counts.items())


def sizes(found: Inspection) -> str:
    """Such as `width 200, 320, 320; height 120, 213, 320`."""
    return "; ".join(f"{s} {', '.join(map(str, lengths))}" for s, lengths in found.sizes.items())


def listed(title: str, entries: Sequence[str]) -> Iterator[str]:
    """The first entries below a title with their number."""
    yield f"{title}: {len(entries) or 'none'}"
    for entry in entries[:SHOWN]:
        yield f"  {plain(entry)}"
    if len(entries) > SHOWN:
        yield f"  and {len(entries) - SHOWN} more (--json lists all)"


def _classes(found: Inspection) -> Iterator[str]:
    """A line for each class; images in all and by split."""
    yield f"  {'class':<24} {'files':>8} {'train':>8} {'valid.':>8} {'test':>8}"
    for label, count in list(found.classes.items())[:MAX_CLASSES]:
        of_class = "".join(f" {found.by_split[label][split]:>8,}" for split in SPLITS)
        yield f"  {plain(label):<24} {count:>8,}{of_class}"
    if len(found.classes) > MAX_CLASSES:
        yield f"  and {len(found.classes) - MAX_CLASSES} more classes (--json lists all)"
