"""A step in micro-batches, and the record of how batches were split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from support.toy_training import learner, some_data  # noqa: E402
from torch import nn  # noqa: E402

from jobs.errors import BadCheckpoint  # noqa: E402
from models.data.batches import Batch  # noqa: E402
from models.training.learner import step  # noqa: E402
from models.training.microbatches import Split, halve, parts_at, read, sizes  # noqa: E402


def test_a_step_in_parts_is_the_step_of_the_whole_batch() -> None:
    """Weights after three steps, and the losses, up to rounding, without dropout and batch norm."""
    whole, split = (learner("squeezenet", learning_rate=0.01) for _ in range(2))
    split.splits = (Split(1, 1, 3),)
    data = some_data()
    for each in (whole, split):
        for module in each.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    for number, start in enumerate((0, 8, 13), 1):
        batch = Batch(
            *(
                torch.from_numpy(part[start : start + 7 + number % 2].copy())
                for part in (data.images, data.labels)
            )
        )
        losses = [step(each, batch, 1, number) for each in (whole, split)]

        assert torch.allclose(*losses, atol=1e-5)
    for found, expected in zip(split.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_parts_are_even_and_never_larger_than_those_of_a_full_batch(
    batch: int, parts: int, more: Any
) -> None:
    """All images, in parts that differ by at most one image, so that none is left with a single one
    needlessly.
    """
    images = more.draw(st.integers(1, batch))
    found = sizes(images, batch, min(parts, batch))

    assert sum(found) == images
    assert 1 <= min(found) <= max(found) <= -(-batch // min(parts, batch))
    assert max(found) - min(found) <= 1


def test_parts_double_until_they_hold_one_image(tmp_path: Path) -> None:
    """2, 4, 8, then 10 for a batch of ten, then no more; each from its own step on."""
    made = [halve(tmp_path / "record.json", epoch, 3, 10) for epoch in (5, 5, 4, 6, 6, 7)]

    assert made == [2, 4, 2, 8, 10, None]
    assert read(tmp_path / "record.json") == (Split(4, 3, 2), Split(5, 3, 4), Split(6, 3, 10))
    assert [
        parts_at(read(tmp_path / "record.json"), *at)
        for at in ((4, 2), (4, 3), (5, 2), (5, 3), (6, 9))
    ] == [
        1,
        2,
        2,
        4,
        10,
    ]


def test_a_torn_record_is_named(tmp_path: Path) -> None:
    """It is not treated as missing: the trial would continue with other results."""
    for text in ('[{"epoch": 1', '{"epoch": 1}', '[{"epoch": 1}]', "7"):
        (tmp_path / "microbatches.json").write_text(text)
        with pytest.raises(BadCheckpoint, match=r"microbatches\.json"):
            read(tmp_path / "microbatches.json")
