"""Whether one network is behind another on the same images."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.statistics.mcnemar import mcnemar
from jobs.statistics.seed_intervals import seed_difference, seed_moments

Right = np.ndarray[Any, np.dtype[np.bool_]]
"""Which images a network has right, as (seeds, images)."""


def behind(network: Right, leader: Right) -> float:
    """The one-sided p-value that a network is no worse than the leader on such images.

    With one seed it is McNemar's exact test. With several it counts seeds and images
    (`seed_intervals`), as the report does. Row i of both is one image.
    """
    if len(network) > 1 and len(leader) > 1:
        ours, theirs = seed_moments(network), seed_moments(leader)
        if ours is None or theirs is None:
            return 1.0
        difference = seed_difference(theirs, ours)
        return difference.p / 2 if difference.difference > 0 else 1 - difference.p / 2
    only_leader, only_own = discordant(network, leader)
    return mcnemar(only_leader, only_own, "first-better")


def discordant(network: Right, leader: Right) -> tuple[int, int]:
    """Images that only the leader, and only the network, has right with the first seed."""
    return int((leader[0] & ~network[0]).sum()), int((network[0] & ~leader[0]).sum())
