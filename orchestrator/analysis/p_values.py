"""P-values of several tests: combined over seeds, and corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Sequence


def over_seeds(p_values: Sequence[float]) -> float:
    """Combine the p-values of one test at n seeds; valid under any dependence between them.

    The result is `n / k` times the k-th smallest, with k just above the middle (Rüger 1978,
    Metrika 25:171-178). A single p-value is unchanged.
    """
    n, k = len(p_values), len(p_values) // 2 + 1
    return min(1.0, sorted(p_values)[k - 1] * n / k)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values with Holm's correction for multiple tests, in the given order.

    Holm 1979, Scand. J. Statist. 6:65-70.

    The smallest of m is multiplied by m, the next by m - 1, and so on. Results never decrease in
    that order, and are at most 1. A test without a p-value (NaN) keeps none and counts as none.
    """
    corrected, largest = list(p_values), 0.0
    known = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    for passed, place in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - passed) * p_values[place]))
        corrected[place] = largest
    return corrected
