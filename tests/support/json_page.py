"""docs/json.md: the keys that each command prints with `--json`, compared with what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from orchestrator.terminal import options
from support.command_lines import ROOT

PAGE = ROOT / "docs" / "json.md"


def documented(text: str) -> dict[str, set[str]]:
    """The keys of each section, by the command in its heading; `name` is a key with any name."""
    parts = re.split(r"^## `(orch [^`]+)`.*$", text, flags=re.MULTILINE)
    return {
        command: {key for row in _rows(section) for key in re.findall(r"`([^`]+)`", row)}
        for command, section in zip(parts[1::2], parts[2::2], strict=True)
    }


def section_of(words: list[str]) -> str:
    """The command whose section tells of the document that these words print."""
    if words[0] == "submit" and "--dry-run" in words:
        return "orch submit --dry-run"
    if words[0] == "status":
        return "orch status RUN" if len(words) > 1 and words[1][0] != "-" else "orch status"
    if words[0] == "models" and ("--search" in words or (len(words) > 1 and words[1][0] != "-")):
        return "orch models --search WORD" if "--search" in words else "orch models NAME"
    depth = 2 if words[0] in ("data", "export") else 1
    return " ".join(["orch", *words[:depth]])


def _rows(section: str) -> list[str]:
    """The first cells of the section's tables."""
    return re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)


def keys_of(value: Any, before: str = "") -> Iterator[str]:
    """Every key of a document with those that lead to it, such as `trials[].state`."""
    if isinstance(value, list):
        for each in value:
            yield from keys_of(each, f"{before}[]" if before else "")
    elif isinstance(value, dict):
        for name, inner in value.items():
            key = f"{before}.{name}" if before else name
            yield key
            yield from keys_of(inner, key)


def matches(pattern: str, key: str) -> bool:
    """Whether a documented key stands for a real one; `*` is any name, `**` all below too."""
    parts = re.split(r"(\*\*|\*)", pattern)
    written = {"**": ".+", "*": r"[^.\[\]]+"}
    return bool(re.fullmatch("".join(written.get(each, re.escape(each)) for each in parts), key))


def unknown(documents: list[Any], patterns: set[str]) -> set[str]:
    """Keys that were printed and are not documented."""
    printed = {key for document in documents for key in keys_of(document)}
    return {key for key in printed if not any(matches(each, key) for each in patterns)}


def unseen(documents: list[Any], patterns: set[str]) -> set[str]:
    """Keys that are documented and were not printed, those within empty values left out."""
    printed = {key for document in documents for key in keys_of(document)}
    missing = {each for each in patterns if not any(matches(each, key) for key in printed)}
    return {each for each in missing if not _within(each, printed)}


def _within(pattern: str, printed: set[str]) -> bool:
    """Whether the key lies below one that was printed and had nothing below it."""
    parents = [pattern[: place.start()] for place in re.finditer(r"\.|\[\]", pattern)]
    known = [each for each in parents if any(matches(each, key) for key in printed)]
    if not known:
        return False
    inside = (rf"{known[-1]}{mark}" for mark in (".**", "[].**"))
    return not any(matches(each, key) for each in inside for key in printed)


def assert_documented(section: str, document: Any) -> None:
    """Fail if a document has keys that its section of the page does not name, or no version."""
    patterns = documented(PAGE.read_text())[section]

    assert unknown([document], patterns) == set()
    assert document["schema"] == options.SCHEMA
