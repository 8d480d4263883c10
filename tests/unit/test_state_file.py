"""Checks of a weights file without torch."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.state_files import pickled, write_old, write_zip

from models.networks.state_file import problem

FITS = pickled({"body.weight": [10, 9], "body.bias": [10]})
NETWORK = 100


class Command:
    """A pickle that would run code when loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch stolen",)


@pytest.mark.parametrize("write", [write_zip, write_old])
def test_what_torch_wrote_of_a_network_of_that_size_passes(write: object, tmp_path: Path) -> None:
    """Both formats, with the few buffers of batch norm."""
    path = tmp_path / "weights.pth"
    write(path, FITS)  # type: ignore[operator]

    assert problem(path, NETWORK) is None
    assert problem(path, NETWORK - 1) is None


def test_torchs_own_files_pass(tmp_path: Path) -> None:
    """As `torch.save` writes them, in both formats, with parameters among the tensors; truncated
    ones are rejected.
    """
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    state = {
        "weight": torch.nn.Parameter(torch.zeros(10, 9)),
        "bias": torch.zeros(10, dtype=torch.float16),
    }
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.pth"
        torch.save(state, path, _use_new_zipfile_serialization=zipped)

        assert problem(path, NETWORK) is None

        path.write_bytes(path.read_bytes()[:-60])

        assert problem(path, NETWORK) is not None


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "not written by torch"),
        (b"rubbish" * 1000, "not written by torch"),
        (b"<!DOCTYPE html><title>404</title>", "not written by torch"),
        (pickle.dumps({"a": 1}), "not written by torch"),
        (pickle.dumps(Command()), "names posix.system, which does not belong in a state dict"),
    ],
)
def test_rubbish_is_named_for_what_it_is(contents: bytes, reason: str, tmp_path: Path) -> None:
    """And nothing in it is executed."""
    path = tmp_path / "weights.pth"
    path.write_bytes(contents)

    assert reason in str(problem(path, NETWORK))
    assert not Path("stolen").exists()


@pytest.mark.parametrize(
    ("header", "numbers", "reason"),
    [
        (
            pickled({"w": [10, 9]}),
            4,
            "has 90 numbers, but the network has 100 parameters",
        ),
        (pickled({"w": [10, 11]}), 4, "has 110 numbers"),
        (pickle.dumps({"epoch": 3, "state_dict": {}}), 4, "is not a plain state dict"),
        (FITS, 2, "lacks some of its tensors"),
    ],
)
def test_what_torch_wrote_of_something_else_is_named(
    header: bytes, numbers: int, reason: str, tmp_path: Path
) -> None:
    """Of another network, a complete checkpoint, a file without its values."""
    path = tmp_path / "weights.pth"
    write_zip(path, header, bytes(numbers))

    assert reason in str(problem(path, NETWORK))


def test_what_this_reader_does_not_know_of_torch_is_left_to_torch(tmp_path: Path) -> None:
    """A newer kind of tensor is no reason to reject a file."""
    path = tmp_path / "weights.pth"
    write_zip(path, FITS.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9"))

    assert problem(path, NETWORK) is None


def test_a_folder_or_nothing_at_all_cannot_be_read(tmp_path: Path) -> None:
    """In words."""
    assert "cannot be read" in str(problem(tmp_path, NETWORK))
    assert "cannot be read: No such file" in str(problem(tmp_path / "gone", NETWORK))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_one_clear_reason(
    tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, zipped: bool
) -> None:
    """Whatever the unpickler finds."""
    path = tmp_path_factory.getbasetemp() / "any.pth"
    write_zip(path, rubbish) if zipped else path.write_bytes(rubbish)

    assert problem(path, NETWORK)
