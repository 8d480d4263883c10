"""Files of weights and checkpoints of every wrong kind: refused by name, and no code in them ever
runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from jobs import atomic  # noqa: E402
from jobs.errors import BadCheckpoint, BadWeights, DamagedFile, MissingWeights, OrchError  # noqa: E402
from models.checkpoints import files  # noqa: E402
from models.networks import build  # noqa: E402
from models.networks.weights import find_weights, read_weights, require_weights  # noqa: E402
from models.training import numerics  # noqa: E402

TRIAL = "scratch-s0-00000000"
NETWORK = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
STATE = NETWORK.state_dict()

Change = Callable[[dict[str, Any]], object]


class Evil:
    """Unpickling it would make a file named `owned` in the working folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch owned",)


def saved(value: Any, **how: Any) -> bytes:
    """The value as torch saves it."""
    handle = io.BytesIO()
    torch.save(value, handle, **how)
    return handle.getvalue()


def with_code(contents: bytes) -> bytes:
    """A file of torch's whose pickle is replaced by one that runs a command."""
    handle = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(contents)) as old, zipfile.ZipFile(handle, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, pickle.dumps(Evil()) if name.endswith("data.pkl") else old.read(name)
            )
    return handle.getvalue()


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
        "shape [4, 3, 5, 5], [4, 3, 3, 3]",
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
    """A working folder of the test's own, in which no code may leave a mark, and an empty cache of
    torch's.
    """
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("contents", "fragment"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_of_every_wrong_kind_are_refused_by_file(
    contents: bytes, fragment: str, here: Path
) -> None:
    """The message names the file and what to do; no code in it has run."""
    (here / "w.pth").write_bytes(contents)

    with pytest.raises(BadWeights) as caught:
        read_weights(here / "w.pth", NETWORK)

    assert str(here / "w.pth") in str(caught.value)
    assert fragment in str(caught.value)
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


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: None,
        lambda folder: folder.write_bytes(b"a file"),
        lambda folder: folder.mkdir(),
        lambda folder: (folder / "alexnet.pth").mkdir(parents=True),
        lambda folder: [folder.mkdir(), (folder / "alexnet.pth").symlink_to("gone")],
        lambda folder: [folder.mkdir(), (folder / "alexnet.pth").symlink_to("alexnet.pth")],
        lambda folder: [folder.mkdir(), os.mkfifo(folder / "alexnet.pth")],
        lambda folder: [
            folder.mkdir(),
            (folder / "AlexNet.pth").touch(),
            (folder / "alexnet-owt-7be5be79.pth").touch(),
        ],
        lambda folder: folder.symlink_to("weights"),
    ],
    ids=[
        "missing",
        "a file",
        "empty",
        "a folder",
        "a dead link",
        "a ring",
        "a pipe",
        "other names",
        "itself",
    ],
)
def test_a_weights_folder_without_the_file_is_named(
    make: Callable[[Path], object], here: Path
) -> None:
    """The message says which file to put where; nothing hangs."""
    make(here / "weights")

    with pytest.raises(MissingWeights, match=rf"Put alexnet.pth .* into the folder {here}/weights"):
        require_weights(["alexnet"], here / "weights", downloads=None)


@pytest.mark.parametrize(
    "downloads", ["http://127.0.0.1:1", "nonsense", "file:///dev", "ftp://127.0.0.1:1/x", ""]
)
def test_a_download_that_cannot_be_had_is_missing_weights(downloads: str, here: Path) -> None:
    """Whatever keeps it from coming, the message says what to do, and nothing is left in
    the cache.
    """
    with pytest.raises(MissingWeights, match=r"Put alexnet.pth"):
        find_weights("alexnet", here / "none", downloads=downloads)

    assert [path for path in here.rglob("*") if path.is_file()] == []


def contents(epochs: int = 1, /, **changes: Any) -> dict[str, Any]:
    """What a checkpoint holds, with changes; `...` leaves a part out."""
    made: dict[str, Any] = {
        "trial": TRIAL,
        "epoch": epochs,
        "step": 0,
        "running": {},
        "rows": [{"epoch": n + 1} for n in range(epochs)],
        "network": {"weight": torch.zeros(3)},
        "optimizer": {},
        "scheduler": {},
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not ...}


def put(folder: Path, name: str, stored: bytes, sidecar: object = ...) -> Path:
    """A checkpoint's file with a sidecar that says its digest, or another."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.pt"
    path.write_bytes(stored)
    right = {
        "sha256": atomic.file_digest(path),
        "bytes": len(stored),
        "epoch": 2,
        "step": 0,
        "attempt": "t1",
    }
    told = (
        right if sidecar is ... else {**right, **sidecar} if isinstance(sidecar, dict) else sidecar
    )
    path.with_suffix(".json").write_text(told if isinstance(told, str) else json.dumps(told))
    return path


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


@pytest.mark.parametrize(("stored", "sidecar", "fragment"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_of_every_wrong_kind_gives_way_to_the_one_before(
    stored: bytes, sidecar: object, fragment: str, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by its path, the older one is gone on from, the warning names it, and nothing
    in it has run.
    """
    put(here / "c", "e0001-t1", saved(contents(1)))
    path = put(here / "c", "e0002-t1", stored, sidecar)

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
    put(here / "c", "e0001-t1", saved(contents(1)))
    put(here / "c", name, WHOLE)

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
    put(here / "c", "e0001-t1", saved(contents(1)))
    path = put(here / "c", "e0002-t1", WHOLE)
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
    path = put(
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
    """As one of another number of classes would be."""
    state = build.build_network("scratch", 3, 0).state_dict()
    change(state)

    with pytest.raises(BadCheckpoint, match=fragment):
        build.restored("scratch", 3, state)


def test_a_checkpoint_of_other_classes_is_refused() -> None:
    """Three classes are not four."""
    with pytest.raises(BadCheckpoint, match="does not fit scratch with 4 classes"):
        build.restored("scratch", 4, build.build_network("scratch", 3, 0).state_dict())


NUMERICS = {"precision": "fp32", "threads": 1, "device": "cpu", "weights_sha256": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        "\0",
        '{"precision": "fp32"}',
        *(
            json.dumps({**NUMERICS, key: value})
            for key, value in [
                ("precision", "fp64"),
                ("precision", None),
                ("threads", 0),
                ("threads", -1),
                ("threads", "2"),
                ("threads", 1.5),
                ("threads", True),
                ("device", 3),
                ("weights_sha256", 7),
            ]
        ),
    ],
)
def test_numerics_of_every_wrong_kind_are_named(text: str, here: Path) -> None:
    """What a trial keeps to is not guessed anew."""
    (here / "numerics.json").write_text(text)
    threads = torch.get_num_threads()

    with pytest.raises(OrchError, match=str(here / "numerics.json")) as caught:
        numerics.kept(here)

    assert isinstance(caught.value, (DamagedFile, BadCheckpoint))
    assert torch.get_num_threads() == threads
