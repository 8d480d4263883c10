"""Format durations, shares and names for a terminal."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """`8s`, `3m 05s`, `2h 20m`, `3d 4h`; `?` if unknown."""
    if seconds is None:
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def share(value: float | None) -> str:
    """`93.1%`; `-` if unknown."""
    return "-" if value is None else f"{100 * value:.1f}%"


def gigabytes(size: int) -> str:
    """Bytes as memory is sold: `20 GB`, `15.8 GB`."""
    return f"{size / 1e9:.1f}".removesuffix(".0") + " GB"


def megabytes(size: int, width: int = 0) -> str:
    """Bytes in powers of ten: `12.3 MB`; below 1 MB `4.9 kB`, below 1 kB `812 B`."""
    for unit, bytes_each in (("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_each:
            return f"{size / bytes_each:>{width},.1f} {unit}"
    return f"{size:>{width}} B"


def plain(text: str) -> str:
    """The text in one line, with control characters escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
