"""Coined words, for which the field has a name, do not return as identifiers."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RETIRED = re.compile(
    r"(?i:tender|mailbox|doorbell|wears_out|wants_solitude|blamed|_?forgive|duels?|told_apart|take_over"
    r"|takeover|narrator|landing|obituary|tether|minding|_?dice|dealt|let_go|sign_off|ring)"
    r"|_?MOST_\w+"
)
PACKAGES = ("jobs", "models", "workers", "orchestrator")


def retired(source: str) -> set[str]:
    """The retired words among the identifiers of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.string
        for token in tokens
        if token.type == tokenize.NAME and RETIRED.fullmatch(token.string)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_is_a_retired_word(package: str) -> None:
    """Persisted names are string literals, which are not checked."""
    found = {
        str(path.relative_to(ROOT)): words
        for path in (ROOT / package).rglob("*.py")
        if (words := retired(path.read_text()))
    }

    assert found == {}


def test_a_retired_word_is_noticed() -> None:
    """The pattern finds what it is for."""
    assert retired("MOST_TASKS = dice.integers(3)\nwaiting = ring") == {
        "MOST_TASKS",
        "dice",
        "ring",
    }
