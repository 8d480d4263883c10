"""The kinds of faults, and the list of faults that a seed draws."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from chaos.process_faults import PROCESS_FAULTS
from chaos.queue_faults import QUEUE_FAULTS
from chaos.record_faults import LEASE_FAULTS, RECORD_FAULTS
from chaos.redis_faults import REDIS_FAULTS
from chaos.store_faults import STORE_FAULTS
from chaos.user_faults import PEOPLES_FAULTS, USER_FAULTS
from chaos.victims import Strike

KINDS: dict[str, Strike] = {
    **PROCESS_FAULTS,
    **QUEUE_FAULTS,
    **STORE_FAULTS,
    **LEASE_FAULTS,
    **USER_FAULTS,
    **RECORD_FAULTS,
    **REDIS_FAULTS,
    **PEOPLES_FAULTS,
}
"""Their order is part of what a seed draws: add new ones at the end."""


@dataclass(frozen=True)
class Drawn:
    """A fault to come: its kind, the pause before it, and the seed of its own random numbers."""

    number: int
    kind: str
    pause_s: float
    seed: str


def draw(
    count: int, seed: int, without: Collection[str] = (), pause_s: float = 3.25
) -> list[Drawn]:
    """The faults of a seed: each kind about equally often, in a new order in each round of
    kinds. Kinds `without` are left out.
    """
    rng = random.Random(seed)
    kinds: list[str] = []
    while len(kinds) < count:
        names = [name for name in KINDS if name not in without]
        kinds += rng.sample(names, len(names))
    return [
        Drawn(n, name, pause_s * rng.uniform(0.6, 1.4), f"{seed}-{n}")
        for n, name in enumerate(kinds[:count], 1)
    ]
