"""The tables of metrics, sections and keys in docs/report.md; `make reference` writes them."""

from __future__ import annotations

from pathlib import Path

from jobs.install_hints import HOME
from jobs.spec.reference_page import with_table
from orchestrator.analysis.metrics import METRICS
from orchestrator.report.json_keys import KEYS
from orchestrator.report.sections.registry import SECTIONS

PAGE = HOME / "docs" / "report.md"


def metrics() -> list[str]:
    """The lines of the table of metrics."""
    rows = [
        f"| {metric.title} | `{metric.name}` | {_better(metric.higher_is_better)} | {metric.help} |"
        for metric in METRICS.values()
    ]
    return ["| metric | name | better | meaning |", "|---|---|---|---|", *rows]


def sections() -> list[str]:
    """The lines of the table of sections."""
    rows = [f"| {entry.title} | {entry.help} |" for entry in SECTIONS.values()]
    return ["| section | content |", "|---|---|", *rows]


def keys() -> list[str]:
    """The lines of the table of keys of report.json."""
    return [
        "| key of report.json | meaning |",
        "|---|---|",
        *(f"| `{key}` | {meaning} |" for key, meaning in KEYS.items()),
    ]


def with_tables(page: str) -> str:
    """The page with all tables as they must be."""
    for table in (metrics(), sections(), keys()):
        page = with_table(page, table)
    return page


def _better(higher: bool) -> str:
    return "higher" if higher else "lower"


def write(path: Path = PAGE) -> None:
    """Write the tables into the page."""
    path.write_text(with_tables(path.read_text()))


if __name__ == "__main__":
    write()
