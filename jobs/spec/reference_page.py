"""The table of keys in docs/spec.md; `make reference` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.install_hints import HOME
from jobs.spec.keys import KEYS, Key
from jobs.spec.texts import text

PAGE = HOME / "docs" / "spec.md"
HEAD = ["| key | default | meaning |", "|---|---|---|"]


def table() -> list[str]:
    """The lines of the table: each key with its default and meaning."""
    rows = [f"| `{name}` | {_default(key)} | {text(key.meaning)} |" for name, key in KEYS.items()]
    return [*HEAD, *rows]


def with_table(page: str, table: Sequence[str]) -> str:
    """The page with this table in place of the one that has the same first line."""
    lines = page.splitlines()
    start = lines.index(table[0])
    after = (place for place in range(start, len(lines)) if not lines[place].startswith("|"))
    end = next(after, len(lines))
    return "\n".join([*lines[:start], *table, *lines[end:], ""])


def _default(key: Key) -> str:
    """The default as it is written in a YAML file."""
    if key.default_documented is not None:
        return key.default_documented
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    if isinstance(key.default, tuple):
        return f"`{list(key.default)}`"
    return "`null`" if key.default is None else f"`{key.default}`"


def write(path: Path = PAGE) -> None:
    """Write the table into the page."""
    path.write_text(with_table(path.read_text(), table()))


if __name__ == "__main__":
    write()
