"""Sizes in words, from bytes to gigabytes."""

from __future__ import annotations

import pytest

from orchestrator.formatting import megabytes
from orchestrator.report import decision_words


@pytest.mark.parametrize(
    ("size", "told", "short"),
    [
        (0, "0 B", "0 B"),
        (812, "812 B", "812 B"),
        (4_000, "4.0 kB", "4 kB"),
        (4_913, "4.9 kB", "4.9 kB"),
        (28_000_000, "28.0 MB", "28 MB"),
        (1_234_500_000, "1,234.5 MB", "1,234.5 MB"),
    ],
)
def test_a_small_size_is_not_shown_as_nothing(size: int, told: str, short: str) -> None:
    """A network of a few thousand numbers, and a limit on it."""
    assert megabytes(size) == told
    assert decision_words.megabytes(size) == short
