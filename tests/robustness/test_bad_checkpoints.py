"""Checkpoints of every wrong kind: the one before is gone on from, and no code in them runs."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from support.torch_files import (  # noqa: E402
    TRIAL,
    Evil,
    contents,
    put_checkpoint,
    saved,
    with_code,
)

from jobs.errors import BadCheckpoint, NetworkDiffers  # noqa: E402
from models.checkpoints import files  # noqa: E402
from models.networks import build  # noqa: E402

Change = Callable[[dict[str, Any]], object]
STATE = {"0.weight": torch.zeros(4, 3, 3, 3)}

WHOLE = saved(contents(2))

CHECKPOINTS: dict[str, tuple[bytes, object, str]] = {
    "nothing": (b"", ..., "cannot be read"),
    "text": (b"no checkpoint", ..., "cannot be read"),
    "a pickle with code": (pickle.dumps(Evil()), ..., "cannot be read"),
    "parts with code": (saved(contents(2, rows=Evil())), ..., "cannot be read"),
    "a pickle changed to code": (with_code(WHOLE), ..., "cannot be read"),
    "an old file with code": (
        saved(Evil(), _use_new_zipfile_serialization=False),
        ...,
        "cannot be read",
    ),
    **{
        f"cut to {n} in 10": (WHOLE[: len(WHOLE) * n // 10], ..., "cannot be read")
        for n in (1, 3, 5, 7, 9)
    },
    **{
        f"cut to {n} in 10, digest of the whole": (
            WHOLE[: len(WHOLE) * n // 10],
            {"bytes": len(WHOLE)},
            "is damaged",
        )
        for n in (0, 2, 4, 6, 8)
    },
    "one byte more": (WHOLE + b"\0", {"bytes": len(WHOLE)}, "is damaged"),
    "another digest": (WHOLE, {"sha256": "0" * 64}, "is damaged"),
    "a short digest": (WHOLE, {"sha256": "abc"}, "is damaged"),
    "no digest": (WHOLE, {"sha256": None}, "is damaged"),
    "a number for a digest": (WHOLE, {"sha256": 7}, "is damaged"),
    "a text for a size": (WHOLE, {"bytes": str(len(WHOLE))}, "is damaged"),
    "a torn sidecar": (WHOLE, '{"sha256": "', "is damaged"),
    "an empty sidecar": (WHOLE, "", "is damaged"),
    "a list for a sidecar": (WHOLE, "[]", "is damaged"),
    "null for a sidecar": (WHOLE, "null", "is damaged"),
    "a sidecar without a digest": (WHOLE, '{"bytes": 3}', "is damaged"),
    "a sidecar without a size": (WHOLE, '{"sha256": "x"}', "is damaged"),
    "of another trial": (
        saved(contents(2, trial="vgg16-s0-11111111")),
        ...,
        "to the trial vgg16-s0-11111111, not to",
    ),
    "of a trial with a path": (saved(contents(2, trial="../../x")), ..., "not to"),
    "of no trial": (saved(contents(2, trial=None)), ..., "cannot be read"),
    "a list": (saved([1]), ..., "cannot be read"),
    "null": (saved(None), ..., "cannot be read"),
    "a plain state dict": (saved(STATE), ..., "cannot be read"),
    "a part too many": (saved(contents(2, extra=1)), ..., "cannot be read"),
    **{
        f"without {name}": (saved(contents(2, **{name: ...})), ..., "cannot be read")
        for name in contents()
    },
    "an epoch of words": (saved(contents(2, epoch="2")), ..., "cannot be read"),
    "an epoch of truth": (saved(contents(1, epoch=True)), ..., "cannot be read"),
    "an epoch below zero": (saved(contents(2, epoch=-1)), ..., "rows do not match its -1 epochs"),
    "a step of words": (saved(contents(2, step="0")), ..., "cannot be read"),
    "rows of another epoch": (saved(contents(2, epoch=3)), ..., "rows do not match its 3 epochs"),
    "rows in another order": (
        saved(contents(2, rows=[{"epoch": 2}, {"epoch": 1}])),
        ...,
        "rows do not match",
    ),
    "rows twice": (
        saved(contents(2, rows=[{"epoch": 1}, {"epoch": 1}])),
        ...,
        "rows do not match",
    ),
    "rows of no epoch": (saved(contents(2, rows=[{}, {}])), ..., "cannot be read"),
    "rows of numbers": (saved(contents(2, rows=[1, 2])), ..., "cannot be read"),
    "a number for rows": (saved(contents(2, rows=2)), ..., "cannot be read"),
    "a list for the network": (saved(contents(2, network=[])), ..., "cannot be read"),
    "numbers in the network": (saved(contents(2, network={"weight": 3})), ..., "cannot be read"),
    "null for the optimizer": (saved(contents(2, optimizer=None)), ..., "cannot be read"),
    "a text for the scheduler": (saved(contents(2, scheduler="x")), ..., "cannot be read"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, in which no code may leave a mark."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("stored", "sidecar", "fragment"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_of_every_wrong_kind_gives_way_to_the_one_before(
    stored: bytes, sidecar: object, fragment: str, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by its path, the older one is gone on from, the warning names it, and nothing
    in it has run.
    """
    put_checkpoint(here / "c", "e0001-t1", saved(contents(1)))
    path = put_checkpoint(here / "c", "e0002-t1", stored, sidecar)

    with pytest.raises(BadCheckpoint, match=fragment) as caught:
        files.read(path, TRIAL)
    found = files.restore(here / "c", TRIAL, 9)

    assert str(path) in str(caught.value)
    assert found is not None
    assert found[1].name == "e0001-t1.pt"
    assert str(path) in caplog.text
    assert os.listdir(here) == ["c"]


@pytest.mark.parametrize(
    "name",
    [
        "0002-t1",
        "e2-t1",
        "e0002",
        "e0002-",
        "e-0002-t1",
        "x0002-t1",
        "e0002-t1 ",
        "e0002-../t1",
        ".e0002-t1",
        "e٠٠٠٢-t1",
        "e0002-t1.pt",
        "E0002-t1",
    ],
)
def test_files_of_other_names_are_no_checkpoints(name: str, here: Path) -> None:
    """What is not named as orch names them is left alone."""
    (here / "c" / "e0002-..").mkdir(parents=True)
    put_checkpoint(here / "c", "e0001-t1", saved(contents(1)))
    put_checkpoint(here / "c", name, WHOLE)

    assert [found.path.name for found in files.listed(here / "c")] == ["e0001-t1.pt"]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("gone"),
        lambda path: path.symlink_to(path.name),
    ],
    ids=["a folder", "a dead link", "a ring"],
)
def test_what_is_no_file_is_no_checkpoint(make: Callable[[Path], object], here: Path) -> None:
    """Though its name and its sidecar are right."""
    put_checkpoint(here / "c", "e0001-t1", saved(contents(1)))
    path = put_checkpoint(here / "c", "e0002-t1", WHOLE)
    path.unlink()
    make(path)

    found = files.restore(here / "c", TRIAL, 9)

    assert found is not None
    assert found[1].name == "e0001-t1.pt"


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_turned_bytes_are_noticed(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, int]], told: bool
) -> None:
    """By the digest always; where that was written anew too, the file is read whole or refused,
    never half.
    """
    stored = bytearray(WHOLE)
    for place, mask in turns:
        stored[place] ^= mask
    right = {"sha256": hashlib.sha256(WHOLE).hexdigest()}
    path = put_checkpoint(
        tmp_path_factory.getbasetemp() / "turned", "e0002-t1", bytes(stored), ... if told else right
    )

    try:
        found = files.read(path, TRIAL)
    except BadCheckpoint:
        return

    assert told or bytes(stored) == WHOLE
    assert [row["epoch"] for row in found.rows] == [1, 2]


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda state: state.pop("head.bias", None) is None and state.popitem(), "lacks"),
        (lambda state: state.update(extra=torch.zeros(1)), "has 'extra'"),
        (lambda state: state.update({next(iter(state)): torch.zeros(1)}), "has shape"),
        (
            lambda state: state.update({next(iter(state)): next(iter(state.values())).int()}),
            "torch.int32",
        ),
        (lambda state: state.clear(), "lacks"),
    ],
    ids=["one lacks", "one too many", "another shape", "wrong type", "none"],
)
def test_a_checkpoint_that_does_not_fit_its_network_is_refused(
    change: Change, fragment: str
) -> None:
    """Its bytes are whole: another version of a library may build another network."""
    state = build.build_network("scratch", 3, 0).state_dict()
    change(state)

    with pytest.raises(NetworkDiffers, match=fragment):
        build.restored("scratch", 3, state)


def test_a_checkpoint_of_other_classes_is_refused() -> None:
    """Three classes are not four."""
    with pytest.raises(NetworkDiffers, match="does not fit scratch with 4 classes"):
        build.restored("scratch", 4, build.build_network("scratch", 3, 0).state_dict())
