"""Stateless random numbers: the same on every machine, different for every purpose."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from models.runtime.rng import derive_seed, permutation  # noqa: E402


def test_numbers_are_fixed_for_good() -> None:
    """Recorded here, because a change would make old checkpoints end differently."""
    assert derive_seed("dropout", 0, 1, 1) == 667_042_227_712_426_366
    assert permutation(8, 0, 1).tolist() == [1, 6, 7, 5, 3, 2, 4, 0]


def test_each_purpose_has_a_number_of_its_own() -> None:
    """No two purposes collide, not even (1, 11) and (11, 1)."""
    found = {
        derive_seed(*purpose)
        for purpose in [("a", 1, 11), ("a", 11, 1), ("a", 111), ("b", 1, 11), ("a", 1)]
    }

    assert len(found) == 5
    assert all(0 <= number < 2**63 for number in found)


def test_an_order_visits_every_image_once_and_differs_by_epoch_and_seed() -> None:
    """A different permutation for each (seed, epoch)."""
    orders = [permutation(500, seed, epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]

    assert all(sorted(each) == list(range(500)) for each in orders)
    assert len({tuple(each) for each in orders}) == 4
