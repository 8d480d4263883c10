"""Coined words, for which the field has a name, do not return as identifiers."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RETIRED = re.compile(
    r"(?i:(^|_)(tenders?|mailbox|doorbell|wears_out|wants_solitude|blamed|forgive|duels?|told_apart"
    r"|take_over|takeover|narrator|landing|obituary|tether|minding|dice|dealt|let_go|sign_off|ring)"
    r"(_|$))|^_?MOST_"
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
EMPTY = re.compile(r"(?i)_*(found|things?|stuff)(_\w+)?")
PACKAGES = ("jobs", "models", "workers", "orchestrator")


def retired(source: str) -> set[str]:
    """The retired words among the identifiers of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.string
        for token in tokens
        if token.type == tokenize.NAME and RETIRED.search(CAMEL.sub("_", token.string))
    }


def empty_names(source: str) -> set[str]:
    """Names of variables, parameters and functions that do not say what they hold or do.

    A field of a record is named with its record (`diagnosis.found`), so it is not among them.
    """
    nodes = list(ast.walk(ast.parse(source)))
    fields = {
        line.target
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign)
    }
    names = {node.id for node in nodes if isinstance(node, ast.Name) and node not in fields}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return set(filter(EMPTY.fullmatch, names))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_is_a_retired_word(package: str) -> None:
    """Persisted names are string literals, which are not checked."""
    found = {
        str(path.relative_to(ROOT)): words
        for path in (ROOT / package).rglob("*.py")
        if (words := retired(path.read_text()))
    }

    assert found == {}


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_a_name_says_what_it_holds(package: str) -> None:
    """What was found has a name of its own: a match, a record, the trials."""
    empty = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / package).rglob("*.py")
        if (names := empty_names(path.read_text()))
    }

    assert empty == {}


def test_no_two_classes_share_a_name() -> None:
    """One word, one meaning."""
    counts = Counter(
        node.name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in counts.items() if count > 1] == []


def test_an_empty_name_is_noticed() -> None:
    """Wherever it is given, also in a text; not as a word of a sentence or a record's field."""
    local = "def read(found_rows): return [f'{found}' for found in found_rows]"
    function = "def _found(name): return lambda found: name"
    record = "class Diagnosis:\n    found: str\n\nprint(diagnosis.found, 'nothing was found')"

    assert empty_names(local) == {"found", "found_rows"}
    assert empty_names(function) == {"_found", "found"}
    assert empty_names(record) == set()


def test_a_retired_word_is_noticed() -> None:
    """The pattern finds what it is for."""
    assert retired("MOST_TASKS = dice.integers(3)\n_ring_of = TaskTender(contender)") == {
        "MOST_TASKS",
        "dice",
        "_ring_of",
        "TaskTender",
    }
