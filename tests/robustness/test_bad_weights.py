"""Files of weights of every wrong kind: refused by name, and no code in them ever runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.torch_files import Evil, saved, with_code  # noqa: E402

from jobs.errors import BadWeights  # noqa: E402
from models.networks.weights import read_weights  # noqa: E402

NETWORK = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
STATE = NETWORK.state_dict()


def but(**changes: Any) -> dict[str, Any]:
    """The right state dict but for some entries; `...` leaves one out, dots are written `__`."""
    made = dict(STATE)
    for name, value in changes.items():
        key = name.replace("__", ".")
        made.pop(key, None)
        if value is not ...:
            made[key] = value
    return made


GOOD = saved(STATE)
NAN = torch.full((4, 3, 3, 3), float("nan"))
INF = torch.tensor([1.0, float("inf"), 0.0, 0.0])
NOT_READ = "is not a weights file that torch can read"
NO_STATE = "is not a plain state dict"

WEIGHTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NOT_READ),
    "text": (b"these are no weights", NOT_READ),
    "a page": (b"<html><body>403 Forbidden</body></html>", NOT_READ),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
        NOT_READ,
    ),
    "JSON": (b'{"0.weight": [1, 2]}', NOT_READ),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(100), NOT_READ),
    "an empty zip": (b"PK\x05\x06" + bytes(18), NOT_READ),
    "a pickle with code": (pickle.dumps(Evil()), NOT_READ),
    "a dictionary with code": (pickle.dumps({"0.weight": Evil()}), NOT_READ),
    "an old pickle with code": (pickle.dumps(Evil(), protocol=0), NOT_READ),
    "torch's file with code": (saved({"0.weight": Evil()}), NOT_READ),
    "torch's old file with code": (
        saved({"0.weight": Evil()}, _use_new_zipfile_serialization=False),
        NOT_READ,
    ),
    "torch's file with its pickle changed": (with_code(GOOD), NOT_READ),
    "a whole network": (saved(NETWORK), NOT_READ),
    "a plain pickle": (pickle.dumps({"0.weight": [1.0]}), NOT_READ),
    **{
        f"cut to {share} in 10": (GOOD[: len(GOOD) * share // 10], NOT_READ)
        for share in range(1, 10)
    },
    "without its first bytes": (GOOD[1:], NOT_READ),
    "twice": (saved([STATE, STATE]), NO_STATE),
    "a list": (saved([1, 2]), NO_STATE),
    "a number": (saved(3), NO_STATE),
    "null": (saved(None), NO_STATE),
    "a tensor": (saved(torch.zeros(3)), NO_STATE),
    "a state dict within another": (saved({"state_dict": STATE}), NO_STATE),
    "a checkpoint": (saved({"epoch": 3, "network": STATE}), NO_STATE),
    "texts for tensors": (saved(dict.fromkeys(STATE, "x")), NO_STATE),
    "numbers for tensors": (saved(dict.fromkeys(STATE, 0.5)), NO_STATE),
    "no entry": (saved({}), "it lacks '0.weight'"),
    "other names": (
        saved({f"module.{name}": value for name, value in STATE.items()}),
        "it lacks '0.weight'",
    ),
    "numbers for names": (saved(dict(enumerate(STATE.values()))), "it lacks '0.weight'"),
    "one lacks": (saved(but(**{"1__bias": ...})), "it lacks '1.bias'"),
    "one too many": (saved(but(extra=torch.zeros(1))), "it has 'extra'"),
    "a number for a name among them": (saved({**STATE, 7: torch.zeros(1)}), "it has '7'"),
    "another shape": (
        saved(but(**{"0__weight": torch.zeros(4, 3, 5, 5)})),
        "shape [4, 3, 5, 5] instead of [4, 3, 3, 3]",
    ),
    "turned": (saved(but(**{"0__weight": torch.zeros(3, 4, 3, 3)})), "shape [3, 4, 3, 3]"),
    "flat": (saved(but(**{"0__weight": torch.zeros(108)})), "shape [108]"),
    "no dimension": (saved(but(**{"0__bias": torch.tensor(1.0)})), "shape []"),
    "empty": (saved(but(**{"0__bias": torch.zeros(0)})), "shape [0]"),
    "whole numbers": (saved(but(**{"0__bias": torch.zeros(4, dtype=torch.int64)})), "torch.int64"),
    "truths": (saved(but(**{"0__bias": torch.zeros(4, dtype=torch.bool)})), "torch.bool"),
    "complex numbers": (
        saved(but(**{"0__bias": torch.zeros(4, dtype=torch.complex64)})),
        "torch.complex64",
    ),
    "numbers that are none": (
        saved(but(**{"0__weight": NAN})),
        "'0.weight' has values that are not finite",
    ),
    "one infinite number": (
        saved(but(**{"1__bias": INF})),
        "'1.bias' has values that are not finite",
    ),
    "one in half precision": (
        saved(but(**{"1__bias": INF.half()})),
        "'1.bias' has values that are not finite",
    ),
    "sparse": (saved(but(**{"0__bias": torch.zeros(4).to_sparse()})), "not a plain tensor"),
    "shapes only": (saved(but(**{"0__bias": torch.zeros(4, device="meta")})), "not a plain tensor"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, in which no code may leave a mark."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("contents", "words"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_of_every_wrong_kind_are_refused_by_file(
    contents: bytes, words: str, here: Path
) -> None:
    """The line names the file and what to do; no code in it has run."""
    (here / "w.pth").write_bytes(contents)

    with pytest.raises(BadWeights) as caught:
        read_weights(here / "w.pth", NETWORK)

    assert str(here / "w.pth") in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert os.listdir(here) == ["w.pth"]


def test_weights_as_older_torch_wrote_them_are_taken(here: Path) -> None:
    """What fits is taken in single precision, without the counters that older files lack."""
    state = {
        name: value.half() if value.is_floating_point() else value for name, value in STATE.items()
    }
    state.pop("1.num_batches_tracked")
    (here / "w.pth").write_bytes(saved(state, _use_new_zipfile_serialization=False))

    assert {value.dtype for value in read_weights(here / "w.pth", NETWORK).values()} == {
        torch.float32
    }
