"""What is seen of a file of weights without torch."""

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
    """What a pickle could do to whoever loads it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch stolen",)


@pytest.mark.parametrize("write", [write_zip, write_old])
def test_what_torch_wrote_of_a_network_of_that_size_passes(write: object, tmp_path: Path) -> None:
    """Both forms, with the few buffers that batch norm adds."""
    path = tmp_path / "weights.pth"
    write(path, FITS)  # type: ignore[operator]

    assert problem(path, NETWORK) is None
    assert problem(path, NETWORK - 1) is None


def test_torchs_own_files_pass(tmp_path: Path) -> None:
    """As `torch.save` writes them, old form and new, parameters among the tensors; shorn of their
    end they do not.
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
        (b"", "no file that torch has written"),
        (b"rubbish" * 1000, "no file that torch has written"),
        (b"<!DOCTYPE html><title>404</title>", "no file that torch has written"),
        (pickle.dumps({"a": 1}), "no file that torch has written"),
        (pickle.dumps(Command()), "names posix.system, which is no part of a state dict"),
    ],
)
def test_rubbish_is_named_for_what_it_is(contents: bytes, reason: str, tmp_path: Path) -> None:
    """And nothing in it is run."""
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
            "holds 90 numbers, those of a network of 100 parameters are needed",
        ),
        (pickled({"w": [10, 11]}), 4, "holds 110 numbers"),
        (pickle.dumps({"epoch": 3, "state_dict": {}}), 4, "holds no plain state dict"),
        (FITS, 2, "lacks some of its tensors"),
    ],
)
def test_what_torch_wrote_of_something_else_is_named(
    header: bytes, numbers: int, reason: str, tmp_path: Path
) -> None:
    """Another network's, a whole checkpoint, a file without its numbers."""
    path = tmp_path / "weights.pth"
    write_zip(path, header, bytes(numbers))

    assert reason in str(problem(path, NETWORK))


def test_what_this_reader_does_not_know_of_torch_is_left_to_torch(tmp_path: Path) -> None:
    """A kind of tensor that came later is no reason to refuse a file."""
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
    """Whatever the unpickler meets."""
    path = tmp_path_factory.getbasetemp() / "any.pth"
    write_zip(path, rubbish) if zipped else path.write_bytes(rubbish)

    assert problem(path, NETWORK)
