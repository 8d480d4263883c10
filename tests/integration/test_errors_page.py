"""docs/errors.md quotes messages that orch really has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from support.command_lines import ROOT

PACKAGES = ("jobs", "models", "orchestrator", "workers")
HOLE = "\0"
"""Where a name or a number stands in a message."""


def template(node: ast.AST) -> str | None:
    """The text of a string with holes where values are put in; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or HOLE for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (template(node.left) or HOLE) + (template(node.right) or HOLE)
    return None


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """Every string of the four packages, docstrings left out."""
    return [
        text
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for text in strings(ast.parse(path.read_text()))
    ]


def strings(tree: ast.AST) -> Iterator[str]:
    """The strings below a node that are no statement of their own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if (text := template(node)) is not None:
            yield text
        yield from strings(node)


def quoted() -> list[str]:
    """The messages that the page quotes, in its first column."""
    return re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)


def has(messages: list[str], quote: str) -> bool:
    """Whether one message holds the parts of a quote in order, values between them."""
    parts = [re.escape(part) for part in quote.split("...")]
    pattern = re.compile(f".*{HOLE}.*".join(parts), re.DOTALL)
    return any(pattern.search(message) for message in messages)


def test_each_quoted_message_is_one_of_orch(messages: list[str]) -> None:
    """Whoever pastes a message finds it, and no page speaks of one that is gone."""
    quotes = quoted()

    assert len(quotes) >= 25
    assert [quote for quote in quotes if not has(messages, quote)] == []


def test_a_message_that_orch_does_not_have_is_noticed(messages: list[str]) -> None:
    """Neither other words nor the parts of two messages pass, nor words of a docstring."""
    assert not has(messages, "no broker responds at")
    assert not has(messages, "no broker answers at ... is not installed")
    assert not has(messages, "The error hierarchy.")
