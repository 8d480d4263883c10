"""Prepared data sets, damaged in every way: named, and no network is trained on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.parquet_damage import DAMAGES, Change, stored, table
from support.refusals import Terminal, refusal
from support.stores import fill_small_store, replaced, table_path

from jobs.errors import DamagedFile, DataChanged
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis.run_data import read_run_data


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


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A store of its own for these tests, which put back what they damage."""
    return fill_small_store(tmp_path_factory.mktemp("prepared") / "store")


@pytest.fixture
def load(filled: tuple[Store, Run]) -> Callable[[], object]:
    """Load the data set as a training does."""
    batches = pytest.importorskip(
        "models.data.batches", reason="torch is not installed (extra 'worker')"
    )
    store, run = filled
    return lambda: batches.Data.load(store, run.data)


@pytest.mark.parametrize("damage", ARRAYS.values(), ids=ARRAYS)
def test_damaged_pixels_are_named_to_the_report(
    damage: Change, filled: tuple[Store, Run], terminal: Terminal
) -> None:
    """No code in the file runs."""
    store, run = filled
    path = store.data_folder(run.data) / "images.npy"

    with replaced(path, damage(path.read_bytes())):
        line = refusal(DamagedFile, read_run_data, store, run)

    assert f"{path} is damaged: " in line
    assert not list(terminal.folder.rglob("owned"))


@pytest.mark.parametrize("damage", ARRAYS.values(), ids=ARRAYS)
def test_damaged_pixels_stop_training(
    damage: Change,
    filled: tuple[Store, Run],
    load: Callable[[], object],
    terminal: Terminal,
) -> None:
    """With the name of the data set and what to do; no code in the file runs."""
    store, run = filled
    path = store.data_folder(run.data) / "images.npy"

    with replaced(path, damage(path.read_bytes())):
        line = refusal(DataChanged, load)

    assert run.data in line
    assert "and submit the data again" in line
    assert not list(terminal.folder.rglob("owned"))


def test_report_names_damaged_pixels(terminal_with_run: Terminal) -> None:
    """Exit code 1, and no half a report."""
    store = Store(terminal_with_run.folder / "orch-store")
    path = store.data_folder(store.load_run("study").data) / "images.npy"
    path.write_bytes(b"these are no pixels")

    terminal_with_run.refuses(("report", "study", "--out", "out"), f"{path} is damaged: ", code=1)

    assert not (terminal_with_run.folder / "out").exists()


@pytest.mark.parametrize("damage", [row[0] for row in DAMAGES.values()], ids=DAMAGES)
def test_a_damaged_manifest_stops_training_with_its_name(
    damage: Change, filled: tuple[Store, Run], load: Callable[[], object]
) -> None:
    """The worker's error says what to do."""
    path = table_path(*filled, "manifest")

    with (
        replaced(path, damage(path.read_bytes())),
        pytest.raises(
            DataChanged, match=r"manifest\.parquet .*Remove .* and submit the data again"
        ),
    ):
        load()


@pytest.mark.parametrize("rows", [0, 1, 13], ids=lambda rows: f"{rows} rows")
def test_a_manifest_of_another_length_than_the_pixels_stops_training(
    rows: int, filled: tuple[Store, Run], load: Callable[[], object]
) -> None:
    """Labels would be those of other images."""
    path = table_path(*filled, "manifest")
    whole = table(path.read_bytes())
    other = pa.concat_tables([whole] * 3).slice(0, rows if rows < 13 else whole.num_rows + 1)

    with replaced(path, stored(other)):
        line = refusal(DataChanged, load)

    assert "but its manifest needs" in line


def test_a_manifest_that_names_a_strange_class_stops_training(
    filled: tuple[Store, Run], load: Callable[[], object]
) -> None:
    """The class is named."""
    path = table_path(*filled, "manifest")
    rows = table(path.read_bytes()).to_pylist()
    rows[0]["label"] = "unicorn"

    with replaced(path, stored(pa.Table.from_pylist(rows, schema=tables.MANIFEST))):
        line = refusal(DataChanged, load)

    assert "'unicorn'" in line
