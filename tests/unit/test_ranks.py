"""Friedman and Nemenyi compared with the textbook's tables, scipy and a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from orchestrator.analysis import ranks

DEMSAR = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
"""Critical values at 5% (Demšar 2006, table 5a)."""


@pytest.mark.parametrize("networks", DEMSAR)
def test_the_critical_difference_is_that_of_the_published_table(networks: int) -> None:
    """For ten data sets."""
    expected = DEMSAR[networks] * (networks * (networks + 1) / 60) ** 0.5

    assert ranks.critical_difference(networks, 10) == pytest.approx(expected, rel=5e-4)


def test_a_worked_example() -> None:
    """Four blocks: a always first, b and c twice second each. 12/(4*3*4) * (16 + 100 + 100) - 48 =
    6. Of 6**4 arrangements of ranks, 90 vary as much or more.
    """
    found = ranks.rank_networks({"c": [1, 2, 1, 2], "a": [9, 9, 9, 9], "b": [2, 1, 2, 1]})

    assert found is not None
    assert found.means == (("a", 1.0), ("b", 2.5), ("c", 2.5))
    assert found.statistic == pytest.approx(6.0)
    assert found.p == pytest.approx(6 * 15 / 6**4)
    assert found.groups == (("a", "b", "c"),)


def test_groups_are_networks_closer_than_the_critical_difference() -> None:
    """Thirty blocks in the same order: adjacent networks are one rank apart, the critical
    difference is 0.86.
    """
    found = ranks.rank_networks({name: [9 - i] * 30 for i, name in enumerate("abcd")})

    assert found is not None
    assert found.critical == pytest.approx(0.856, abs=1e-3)
    assert found.groups == ()


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(3, 7))
@settings(max_examples=30, deadline=None)
def test_any_table_agrees_with_scipy_in_any_order(seed: int, blocks: int, networks: int) -> None:
    """Ties included."""
    table = np.random.default_rng(seed).integers(0, 8, (networks, blocks)) / 8
    scores = {f"n{i}": list(row) for i, row in enumerate(table)}
    found, again = ranks.rank_networks(scores), ranks.rank_networks(dict(reversed(scores.items())))
    ranked = stats.rankdata(-table, axis=0).mean(axis=1)

    assert found is not None
    assert found == again
    assert dict(found.means) == pytest.approx({f"n{i}": rank for i, rank in enumerate(ranked)})
    if not (stats.rankdata(-table, axis=0) == stats.rankdata(-table, axis=0)[:1]).all():
        assert found.statistic == pytest.approx(stats.friedmanchisquare(*table).statistic)


def test_too_little_to_rank_has_no_ranks() -> None:
    """Two networks, one block, none; equal scores everywhere have p = 1."""
    assert ranks.rank_networks({"a": [1, 2], "b": [2, 1]}) is None
    assert ranks.rank_networks({"a": [1], "b": [2], "c": [3]}) is None
    assert ranks.rank_networks({}) is None
    even = ranks.rank_networks({name: [0.5, 0.5] for name in "abc"})
    assert even is not None
    assert even.p == 1.0
