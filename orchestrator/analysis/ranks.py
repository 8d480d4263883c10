"""Mean ranks over seeds, runs or data sets, and their critical difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.analysis.friedman import FEW_BLOCKS, p_value

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Ranks:
    """Networks by mean rank (1 is best) over `blocks` rankings.

    `statistic` and `p` are from Friedman's test; `method` says where `p` is from (see `friedman`).
    `critical` is Nemenyi's critical difference at `LEVEL`. `groups` are sets of networks within the
    critical difference. Both are asymptotic: with `few` blocks they decide nothing.
    """

    means: tuple[tuple[str, float], ...]
    blocks: int
    statistic: float
    p: float
    critical: float
    groups: tuple[tuple[str, ...], ...]
    method: str = "chi-squared"

    @property
    def few(self) -> bool:
        """Whether there are too few blocks for critical differences."""
        return self.blocks < FEW_BLOCKS


def rank_networks(scores: Mapping[str, Sequence[float]]) -> Ranks | None:
    """Rank networks in each block by score (higher is better, ties share their mean rank).

    Friedman's test: 1937, JASA 32:675-701. Nemenyi's critical difference: Demšar 2006, JMLR 7:1-30.
    It is `q * sqrt(k * (k + 1) / (6 * n))`, with q the studentized range over sqrt(2).
    None with fewer than three networks or two blocks. If all scores are equal, p is 1.
    """
    from scipy import stats

    names = sorted(scores)
    table = np.array([scores[name] for name in names], float).T if names else np.empty((0, 0))
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        return None
    blocks, count = table.shape
    ranked = stats.rankdata(-table, axis=1)
    even = bool(np.all(ranked == ranked[:, :1]))
    statistic = 0.0 if even else float(stats.friedmanchisquare(*table.T).statistic)
    p, method = p_value(ranked)
    mean = ranked.mean(axis=0)
    order = sorted(range(count), key=lambda i: (mean[i], names[i]))
    means = tuple((names[i], float(mean[i])) for i in order)
    critical = critical_difference(count, blocks)
    return Ranks(means, blocks, statistic, p, critical, _groups(means, critical), method)


def critical_difference(networks: int, blocks: int, level: float = LEVEL) -> float:
    """Difference of mean ranks that is significant at `level` (Nemenyi 1963)."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - level, networks, np.inf)) / math.sqrt(2)
    return q * math.sqrt(networks * (networks + 1) / (6 * blocks))


def _groups(means: Sequence[tuple[str, float]], critical: float) -> tuple[tuple[str, ...], ...]:
    """Maximal groups of networks within the critical difference."""
    spans: list[tuple[int, int]] = []
    for start, (_, best) in enumerate(means):
        end = max(
            i for i in range(start, len(means)) if means[i][1] - best < critical or i == start
        )
        if end > start and not any(a <= start and end <= b for a, b in spans):
            spans.append((start, end))
    return tuple(tuple(name for name, _ in means[a : b + 1]) for a, b in spans)
