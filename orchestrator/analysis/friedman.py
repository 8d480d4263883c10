"""Friedman's test for few blocks: every arrangement of ranks, or a large sample of them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

FEW_BLOCKS = 6
"""From this many blocks the chi-squared distribution is close enough."""
MAX_NETWORKS, MAX_ROWS = 7, 2_000_000
"""Networks, and arrangements a block, of the exact test; equal rank sums count as one."""
DRAWS = 100_000

Ranked = np.ndarray[Any, np.dtype[np.float64]]
States = np.ndarray[Any, np.dtype[np.int64]]


def p_value(ranked: Ranked) -> tuple[float, str]:
    """P-value of ranks as (blocks, networks), and how it was found.

    `exact` looks at every arrangement of ranks within blocks, `permutation` at `DRAWS` random ones,
    `chi-squared` is Friedman's approximation (1937, JASA 32:675-701). Ties keep their mean rank.
    """
    if np.all(ranked == ranked[:, :1]):
        return 1.0, "exact"
    if len(ranked) >= FEW_BLOCKS:
        from scipy import stats

        return float(stats.friedmanchisquare(*ranked.T).pvalue), "chi-squared"
    doubled = np.rint(2 * ranked).astype(np.int64)
    exact = _exact(doubled)
    return (exact, "exact") if exact is not None else (_sampled(doubled), "permutation")


def _exact(doubled: States) -> float | None:
    """Share of all arrangements whose rank sums vary as much or more; None if too many."""
    networks = doubled.shape[1]
    if networks > MAX_NETWORKS:
        return None
    least = int((doubled.sum(axis=0) ** 2).sum())
    orders = [_arrangements(row) for row in doubled]
    states, counts = np.sort(doubled[:1], axis=1), np.ones(1)
    for order in orders[1:-1]:
        if len(states) * len(order) > MAX_ROWS:
            return None
        states, counts = _merged(states, counts, order)
    last = orders[-1].astype(float)
    own, reached = (last**2).sum(axis=1), 0.0
    for start in range(0, len(states), 256):
        some = states[start : start + 256].astype(float)
        squares = (some**2).sum(axis=1)[:, None] + own + 2 * (some @ last.T)
        reached += float(counts[start : start + 256] @ (squares >= least).mean(axis=1))
    return reached / float(counts.sum())


def _arrangements(row: States) -> States:
    """Every different order of one block's ranks."""
    return np.array(sorted(set(permutations(row.tolist()))), np.int64)


def _merged(states: States, counts: Any, order: States) -> tuple[States, Any]:
    """Rank sums after one more block; sums that differ in their order only are one state."""
    networks = states.shape[1]
    weights = np.int64(1) << (8 * np.arange(networks, dtype=np.int64))
    keys, shares = [], []
    for state, count in zip(states, counts, strict=True):
        distinct, times = np.unique(np.sort(state + order, axis=1) @ weights, return_counts=True)
        keys.append(distinct)
        shares.append(times * count / len(order))
    merged, place = np.unique(np.concatenate(keys), return_inverse=True)
    sums = (merged[:, None] >> (8 * np.arange(networks, dtype=np.int64))) & 255
    return sums, np.bincount(place, np.concatenate(shares))


def _sampled(doubled: States) -> float:
    """The share among random arrangements, the observed one counted in.

    Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39.
    """
    least = int((doubled.sum(axis=0) ** 2).sum())
    rng = np.random.default_rng(doubled.shape)
    size = (DRAWS, doubled.shape[1])
    sums = sum(row[rng.random(size).argsort(axis=1)] for row in doubled)
    reached = int(((np.asarray(sums) ** 2).sum(axis=1) >= least).sum())
    return (reached + 1) / (DRAWS + 1)
