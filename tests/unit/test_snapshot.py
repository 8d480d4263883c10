"""The copy of a training's state that a checkpoint is written from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from models.checkpoints import snapshot  # noqa: E402


def test_a_copy_is_one_and_keeps_what_it_is() -> None:
    """Separate tensors with shapes, types and memory order; everything else unchanged."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
        memory_format=torch.channels_last
    )
    state = {"network": network.state_dict(), "rows": [{"epoch": 1, "at": (1, 2.5, None)}]}
    copied = snapshot.copy_state(state)
    before = {name: value.clone() for name, value in state["network"].items()}
    for value in network.state_dict().values():
        value.zero_()

    assert copied is not None
    assert copied["rows"] == state["rows"]
    assert copied["rows"] is not state["rows"]
    assert copied["network"]._metadata == state["network"]._metadata
    for name, value in before.items():
        assert torch.equal(copied["network"][name], value)
        assert copied["network"][name].stride() == value.stride()


def test_without_memory_for_a_copy_there_is_none() -> None:
    """Too little is spare, or the machine refuses: the state is then written while the training
    waits.
    """

    class Refusing(dict[str, Any]):
        def update(self, *given: Any, **named: Any) -> None:
            raise MemoryError

    state = {"weight": torch.zeros(1000)}

    assert snapshot.copy_state(state, lambda: 7999) is None
    assert snapshot.copy_state(state, lambda: 8000) is not None
    assert snapshot.copy_state({"weight": torch.zeros(1000), "refuses": Refusing(a=1)}) is None


def test_spare_memory_is_within_the_limits_of_the_group(tmp_path: Path) -> None:
    """Of either version of control groups; cached files count as spare, a group without a limit
    does not count.
    """
    free = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 500\n")
    second = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    third = snapshot.spare_bytes(tmp_path)
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("900\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("300\n")
    (tmp_path / "memory" / "memory.stat").write_text("cache 5\n")

    assert second == 2500
    assert min(free, third) > 10**6
    assert snapshot.spare_bytes(tmp_path) == 600
