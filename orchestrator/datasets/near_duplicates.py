"""Groups of images that look nearly the same, by a perceptual hash and a thumbnail.

On 1,997 photographs, copies saved again as JPEG (quality 60) or at half the size differ by at most
7 bits and 6 grey levels. Photographs of different things differ by 14 levels or more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from orchestrator.datasets.look import Look

MAX_BITS = 8
MAX_LEVELS = 8.0
MAX_CANDIDATES = 256


def groups(looks: Sequence[Look]) -> list[list[int]]:
    """Positions of images that look nearly the same, in groups of two or more.

    Images of one colour, and broken ones, are left out.
    """
    places = [place for place, look in enumerate(looks) if look.thumbnail and look.levels]
    if len(places) < 2:
        return []
    hashes = np.array([looks[place].hash for place in places], np.uint64)
    thumbnails = np.array([np.frombuffer(looks[p].thumbnail, np.uint8) for p in places])
    group = np.arange(len(places))
    for first in range(len(places) - 1):
        bits = np.bitwise_count(hashes[first + 1 :] ^ hashes[first])
        near = np.flatnonzero(bits <= MAX_BITS)
        if not near.size:
            continue
        near = near[np.argsort(bits[near], kind="stable")[:MAX_CANDIDATES]] + first + 1
        near = near[group[near] != group[first]]
        apart = np.abs(thumbnails[near].astype(np.int16) - thumbnails[first]).mean(axis=1)
        for second in near[apart <= MAX_LEVELS]:
            group[group == group[second]] = group[first]
    by_group: defaultdict[int, list[int]] = defaultdict(list)
    for place, number in zip(places, group.tolist(), strict=True):
        by_group[number].append(place)
    return [members for members in by_group.values() if len(members) > 1]
