"""Friedman's test for few blocks against published tables, enumeration and random arrangements."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from orchestrator.analysis import friedman, ranks


def enumerated(ranked: np.ndarray) -> float:
    """The share of all arrangements of ranks within blocks that vary as much or more."""
    least = (ranked.sum(axis=0) ** 2).sum()
    orders = [set(permutations(row)) for row in ranked.tolist()]
    sums = [np.sum(rows, axis=0) for rows in product(*orders)]
    return float(np.mean([(total**2).sum() >= least - 1e-9 for total in sums]))


@pytest.mark.parametrize(
    ("scores", "p"),
    [
        ([[1, 2, 3]] * 3, 0.028),
        ([[1, 2, 3]] * 4, 0.0046),
        ([[1, 2, 3, 4]] * 2, 0.042),
        ([[1, 2, 3, 4]] * 3, 0.0017),
    ],
)
def test_the_p_values_are_those_of_the_published_table(scores: list[list[int]], p: float) -> None:
    """Hollander and Wolfe's table A.22: the largest statistic of so many blocks."""
    ranked = stats.rankdata(scores, axis=1)
    found, method = friedman.p_value(ranked)

    assert method == "exact"
    assert found == pytest.approx(p, abs=5e-4)


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(3, 4))
@settings(max_examples=20, deadline=None)
def test_the_exact_p_value_is_that_of_every_arrangement(
    seed: int, blocks: int, networks: int
) -> None:
    """Ties included."""
    if networks == 4 and blocks == 4:
        blocks = 3
    scores = np.random.default_rng(seed).integers(0, 4, (blocks, networks))
    ranked = stats.rankdata(scores, axis=1)

    assert friedman.p_value(ranked)[0] == pytest.approx(enumerated(ranked))


def test_too_many_arrangements_are_sampled_alike_each_time() -> None:
    """Seven networks, five blocks in the same order: nothing else varies as much."""
    ranked = stats.rankdata([[1, 2, 3, 4, 5, 6, 7]] * 5, axis=1)
    found = friedman.p_value(ranked)

    assert found == friedman.p_value(ranked)
    assert found == (pytest.approx(1 / (friedman.DRAWS + 1)), "permutation")


def test_sampled_and_exact_p_values_agree() -> None:
    """Within four standard errors of the sample."""
    ranked = stats.rankdata([[1, 2, 3, 4], [2, 1, 3, 4], [1, 3, 2, 4]], axis=1)
    exact, _ = friedman.p_value(ranked)
    sampled = friedman._sampled(np.rint(2 * ranked).astype(np.int64))

    assert abs(sampled - exact) < 4 * (exact * (1 - exact) / friedman.DRAWS) ** 0.5


def test_from_six_blocks_on_it_is_friedmans_approximation() -> None:
    """And critical differences count."""
    table = np.random.default_rng(1).random((3, 6))
    few = ranks.rank_networks({f"n{i}": list(row[:5]) for i, row in enumerate(table)})
    many = ranks.rank_networks({f"n{i}": list(row) for i, row in enumerate(table)})

    assert few is not None
    assert many is not None
    assert (few.method, few.few) == ("exact", True)
    assert (many.method, many.few) == ("chi-squared", False)
    assert many.p == pytest.approx(stats.friedmanchisquare(*table).pvalue)
