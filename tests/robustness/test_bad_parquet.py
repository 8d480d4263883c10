"""Parquet files and arrays of the store, damaged in every way: named by report and training, never
half read.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.attacks import Bad, Desk, make_desk
from support.fakes import fill_store

from jobs.errors import DamagedFile, DataChanged
from jobs.maintenance import verify
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store

Change = Callable[[bytes], bytes]


def table(contents: bytes) -> pa.Table:
    """The rows in a Parquet file's bytes."""
    return pq.ParquetFile(io.BytesIO(contents)).read()


def stored(rows: pa.Table, **how: Any) -> bytes:
    """The rows as a Parquet file's bytes."""
    handle = io.BytesIO()
    pq.write_table(rows, handle, **how)
    return handle.getvalue()


def column(rows: pa.Table, last: bool) -> int:
    """The place of a column that every reader takes: the first or the last; predictions are read in
    part.
    """
    if "predicted" in rows.column_names:
        return int(rows.column_names.index("predicted" if last else "image"))
    return rows.num_columns - 1 if last else 0


def without(last: bool) -> Change:
    """A column left out."""

    def change(contents: bytes) -> bytes:
        rows = table(contents)
        return stored(rows.remove_column(column(rows, last)))

    return change


def retyped(kind: pa.DataType, last: bool) -> Change:
    """A column full of nothing and of another kind."""

    def change(contents: bytes) -> bytes:
        rows = table(contents)
        place = column(rows, last)
        return stored(
            rows.set_column(place, rows.column_names[place], pa.nulls(rows.num_rows, kind))
        )

    return change


def with_gaps(contents: bytes) -> bytes:
    """A column of texts without a value in its first row."""
    rows = table(contents)
    place = column(rows, last=False)
    values = rows.column(place).combine_chunks()
    gap = pa.concat_arrays([pa.nulls(1, values.type), values[1:]])
    return stored(rows.set_column(place, rows.column_names[place], gap))


def as_feather(contents: bytes) -> bytes:
    """The same rows in another format."""
    handle = io.BytesIO()
    pyarrow.feather.write_feather(table(contents), handle)
    return handle.getvalue()


def pages_turned(contents: bytes) -> bytes:
    """Bytes turned where the values lie, the footer left whole."""
    footer = footer_of(contents)
    return contents[:4] + bytes(byte ^ 0x5A for byte in contents[4:footer]) + contents[footer:]


def footer_turned(contents: bytes) -> bytes:
    """The first bytes of the footer turned."""
    footer = footer_of(contents)
    return (
        contents[:footer]
        + bytes(byte ^ 0xFF for byte in contents[footer : footer + 20])
        + contents[footer + 20 :]
    )


def footer_of(contents: bytes) -> int:
    """Where the footer of a Parquet file begins."""
    return len(contents) - 8 - int.from_bytes(contents[-8:-4], "little")


DAMAGES: dict[str, Change] = {
    "empty": lambda contents: b"",
    "one byte": lambda contents: b"P",
    "the first word only": lambda contents: b"PAR1",
    "the first and the last word": lambda contents: b"PAR1PAR1",
    "an endless footer": lambda contents: b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    "zeros": lambda contents: bytes(len(contents)),
    "text": lambda contents: b"trial,epoch,loss\nx,1,0.5\n",
    "JSON": lambda contents: b'{"epoch": 1}',
    "a page": lambda contents: b"<html>502 Bad Gateway</html>",
    "feather": as_feather,
    **{
        f"cut to {share} in 10": (
            lambda contents, share=share: contents[: len(contents) * share // 10]
        )
        for share in range(1, 10)
    },
    "without its last byte": lambda contents: contents[:-1],
    "without its first byte": lambda contents: contents[1:],
    "its last word turned": lambda contents: contents[:-1] + b"2",
    "its footer turned": footer_turned,
    "its pages turned": pages_turned,
    "its footer only": lambda contents: contents[-(len(contents) // 2) :],
    "no column": lambda contents: stored(pa.table({})),
    "other columns": lambda contents: stored(pa.table({"a": [1], "b": ["x"]})),
    "the first column missing": without(last=False),
    "the last column missing": without(last=True),
    "numbers for a name": retyped(pa.int64(), last=False),
    "texts for the last column": retyped(pa.binary(), last=True),
    "lists for the last column": retyped(pa.list_(pa.int64()), last=True),
    "times for the last column": retyped(pa.duration("s"), last=True),
    "gaps": with_gaps,
}
ARRAYS: dict[str, Change] = {
    "empty": lambda contents: b"",
    "one byte": lambda contents: contents[:1],
    "its first word only": lambda contents: contents[:6],
    "a header without an end": lambda contents: contents[:60],
    "no pixels": lambda contents: contents[:128],
    "half its pixels": lambda contents: contents[: len(contents) // 2],
    "one byte less": lambda contents: contents[:-1],
    "zeros": lambda contents: bytes(len(contents)),
    "text": lambda contents: b"these are no pixels",
    "a pickle": lambda contents: (
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0btouch owned\x85R."
    ),
    "objects": lambda contents: npy(np.array([{"a": 1}], dtype=object)),
    "floats": lambda contents: npy(np.zeros((4, 8, 8, 3), np.float32)),
    "signed": lambda contents: npy(np.zeros((4, 8, 8, 3), np.int8)),
    "one dimension": lambda contents: npy(np.zeros(12, np.uint8)),
    "no dimension": lambda contents: npy(np.array(3, np.uint8)),
    "channels first": lambda contents: npy(np.zeros((4, 3, 8, 8), np.uint8)),
    "four channels": lambda contents: npy(np.zeros((4, 8, 8, 4), np.uint8)),
    "texts": lambda contents: npy(np.array(["a", "b"])),
    "an archive": lambda contents: archive(),
    "a size beyond all memory": lambda contents: contents.replace(b"(", b"(9999999999, ", 1),
    "code for a header": lambda contents: contents.replace(b"'|u1'", b"exit()", 1),
}


def npy(values: np.ndarray[Any, Any]) -> bytes:
    """An array as numpy stores it."""
    handle = io.BytesIO()
    np.save(handle, values, allow_pickle=True)
    return handle.getvalue()


def archive() -> bytes:
    """Several arrays as numpy stores them."""
    handle = io.BytesIO()
    np.savez(handle, images=np.zeros(3, np.uint8))
    return handle.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small run, all of it done."""
    root = tmp_path_factory.mktemp("finished") / "store"
    fill_store(
        root,
        backbones=["scratch"],
        classes=("ape", "bear"),
        images_a_class=6,
        periods=1,
        epochs_per_period=1,
        image_size=32,
        name="study",
    )
    return root


@pytest.fixture
def desk(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    """A desk with a copy of that store in it, as its store."""
    made = make_desk(tmp_path, monkeypatch, capsys)
    shutil.copytree(finished, made.folder / "orch-store")
    return made


def place(desk: Desk, name: str) -> Path:
    """A Parquet file of the store by a short name."""
    store, run = opened(desk)
    if name in ("manifest", "inventory"):
        return store.data_folder(run.data) / f"{name}.parquet"
    return next((store.root / tables.table_folder(name, run.trials[0])).glob("*.parquet"))


def opened(desk: Desk) -> tuple[Store, Run]:
    """The store and its run."""
    store = Store(desk.folder / "orch-store")
    return store, store.load_run("study")


@pytest.mark.parametrize("name", ["epochs", "evaluations", "predictions", "attempts", "manifest"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_table_is_named_by_the_report(name: str, damage: Change, desk: Desk) -> None:
    """The report ends with 1, the file's path and what mends it, and leaves no half a report;
    verify finds the same.
    """
    path = place(desk, name)
    path.write_bytes(damage(path.read_bytes()))

    line = desk.refuses(Bad(("report", "study", "--out", "out"), f"{path} is damaged", 1))
    store, run = opened(desk)
    found = [finding.path for finding in verify.verify_files(store, run) if finding.problem]

    assert not (desk.folder / "out").exists()
    assert "orch verify RUN --repair" in line
    assert found == [path.relative_to(store.root).as_posix()]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_inventory_is_named_to_the_worker(damage: Change, desk: Desk) -> None:
    """Nothing is prepared from half a list."""
    store, run = opened(desk)
    path = place(desk, "inventory")
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DamagedFile, match=str(path)):
        store.load_data(run.data)


@pytest.mark.parametrize("damage", ARRAYS.values(), ids=ARRAYS)
def test_damaged_pixels_are_named(damage: Change, desk: Desk) -> None:
    """By the report, and by a worker that would train on them; no code in the file runs."""
    store, run = opened(desk)
    path = store.data_folder(run.data) / "images.npy"
    path.write_bytes(damage(path.read_bytes()))

    desk.refuses(Bad(("report", "study", "--out", "out"), f"{path} is damaged", 1))
    batches = pytest.importorskip(
        "models.data.batches", reason="torch is not installed (extra 'worker')"
    )
    with pytest.raises(DataChanged, match=run.data):
        batches.Data.load(store, run.data)
    assert not list(desk.folder.rglob("owned"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_manifest_stops_training_with_its_name(damage: Change, desk: Desk) -> None:
    """The worker's error says what to do."""
    batches = pytest.importorskip(
        "models.data.batches", reason="torch is not installed (extra 'worker')"
    )
    store, run = opened(desk)
    path = place(desk, "manifest")
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(
        DataChanged, match=r"manifest\.parquet .*Remove .* and submit the data again"
    ):
        batches.Data.load(store, run.data)


@pytest.mark.parametrize("rows", [0, 1, 13], ids=lambda rows: f"{rows} rows")
def test_a_manifest_of_another_length_than_the_pixels_stops_training(rows: int, desk: Desk) -> None:
    """Labels would be those of other images."""
    batches = pytest.importorskip(
        "models.data.batches", reason="torch is not installed (extra 'worker')"
    )
    store, run = opened(desk)
    path = place(desk, "manifest")
    whole = table(path.read_bytes())
    path.write_bytes(
        stored(pa.concat_tables([whole] * 3).slice(0, rows if rows < 13 else whole.num_rows + 1))
    )

    with pytest.raises(DataChanged, match="but its manifest needs"):
        batches.Data.load(store, run.data)


def test_a_manifest_that_names_a_strange_class_stops_training(desk: Desk) -> None:
    """The class is named."""
    batches = pytest.importorskip(
        "models.data.batches", reason="torch is not installed (extra 'worker')"
    )
    store, run = opened(desk)
    path = place(desk, "manifest")
    rows = table(path.read_bytes()).to_pylist()
    rows[0]["label"] = "unicorn"
    path.write_bytes(stored(pa.Table.from_pylist(rows, schema=tables.MANIFEST)))

    with pytest.raises(DataChanged, match="'unicorn'"):
        batches.Data.load(store, run.data)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("evaluations", {"correct": 99}),
        ("evaluations", {"correct": -1}),
        ("evaluations", {"total": 0}),
        ("evaluations", {"total": -5}),
        ("evaluations", {"loss": float("nan"), "accuracy": 7.0}),
        ("evaluations", {"epoch": -1, "loss": float("inf")}),
        ("evaluations", {"corruption": None, "severity": None}),
        (
            "epochs",
            {
                "train_loss": float("nan"),
                "val_accuracy": -1.0,
                "seconds": -1.0,
                "learning_rate": float("inf"),
            },
        ),
        ("epochs", {"seconds": None, "val_loss": None, "learning_rate": None}),
        ("epochs", {"epoch": 0}),
        ("predictions", {"label": "unicorn", "confidence": float("nan")}),
        ("predictions", {"epoch": 99}),
        (
            "predictions",
            {
                "predicted": "<script>alert(1)</script>",
                "image": "../../etc/passwd",
                "confidence": 7.0,
            },
        ),
    ],
    ids=str,
)
def test_rows_that_cannot_be_are_told_or_left_out_without_a_traceback(
    name: str, change: dict[str, Any], desk: Desk
) -> None:
    """A whole file with impossible values: the report is made, or ends in one clear line."""
    from orchestrator import cli

    path = place(desk, name)
    rows = [row | change for row in table(path.read_bytes()).to_pylist()]
    path.write_bytes(stored(pa.Table.from_pylist(rows, schema=tables.SCHEMAS[name])))

    code = cli.run(["report", "study", "--out", "out"])
    said = desk.capsys.readouterr()

    assert code in (0, 1)
    assert len(said.err.splitlines()) == code
    assert "Traceback" not in said.err
    assert code == 1 or "<script>alert(1)" not in (desk.folder / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("gone"),
        lambda path: path.symlink_to(path.name),
    ],
    ids=["a folder", "a dead link", "a ring"],
)
def test_what_is_no_file_is_named(make: Callable[[Path], object], desk: Desk) -> None:
    """In the place of a table."""
    path = place(desk, "epochs")
    path.unlink()
    make(path)

    desk.refuses(Bad(("report", "study", "--out", "out"), str(path), 1))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["epochs", "evaluations", "predictions", "attempts"]), st.data())
def test_turned_bytes_are_rows_or_damage(finished: Path, name: str, data: st.DataObject) -> None:
    """Whatever is turned, cut or put in, reading ends well or with `DamagedFile` that names the
    file.
    """
    store = Store(finished)
    run = store.load_run("study")
    source = next((finished / tables.table_folder(name, run.trials[0])).glob("*.parquet"))
    good = source.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    bad = (
        good[:at]
        + data.draw(st.binary(min_size=1, max_size=3))
        + good[at + data.draw(st.integers(0, 3)) :]
    )
    root = finished.parent / "turned"
    target = root / source.relative_to(finished)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(bad)

    try:
        found = tables.read_rows(root, name, run.trials)
    except DamagedFile as error:
        assert str(target) in str(error)  # noqa: PT017
        return

    assert set(found.column_names) == {*tables.SCHEMAS[name].names, "trial"}
    assert isinstance(found.to_pylist(), list)
