"""A prepared data set is read back in batches."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from support.learning import Laboratory  # noqa: E402

from jobs.errors import DataChanged  # noqa: E402
from models.data.batches import Data, batches, cut  # noqa: E402


@pytest.fixture
def laboratory(animal_folder: Path, tmp_path: Path) -> Laboratory:
    """A store whose data set is prepared at 16 pixels."""
    made = Laboratory.of(tmp_path / "store", animal_folder, image_size=16)
    made.prepare()
    return made


def test_every_image_is_in_one_split_with_its_class(laboratory: Laboratory) -> None:
    """The splits are disjoint and complete; labels are indices into the sorted classes."""
    data = Data.load(laboratory.store, laboratory.data)
    everything = np.concatenate(list(data.splits.values()))

    assert sorted(everything) == list(range(60))
    assert [data.classes[label] for label in data.labels] == [
        path.split("/")[0] for path in data.paths
    ]
    assert data.classes == ("ape", "bear", "cat")


def test_the_list_of_files_is_not_read_for_every_task(laboratory: Laboratory) -> None:
    """Each task loads the data set; the inventory, long for a large one, is needed only to prepare
    it.
    """
    whole = Data.load(laboratory.store, laboratory.data)
    (laboratory.store.data_folder(laboratory.data) / "inventory.parquet").unlink()
    found = Data.load(laboratory.store, laboratory.data)

    assert found.paths == whole.paths
    assert np.array_equal(found.labels, whole.labels)
    assert laboratory.store.described(laboratory.data).classes == found.classes


def test_batches_hold_the_images_asked_for_in_order(laboratory: Laboratory) -> None:
    """Pixels and labels of each piece, the last one shorter."""
    data = Data.load(laboratory.store, laboratory.data)
    pieces = cut(np.arange(59, -1, -1), 25)
    found = list(batches(data, pieces, torch.device("cpu")))

    assert [len(batch) for batch in found] == [25, 25, 10]
    assert np.array_equal(torch.cat([batch.images for batch in found]).numpy(), data.images[::-1])
    assert np.array_equal(torch.cat([batch.labels for batch in found]).numpy(), data.labels[::-1])


def test_a_last_batch_of_one_image_is_left_out_only_when_asked_and_only_then() -> None:
    """Batch norm cannot train on a single image; a batch size of one is kept."""
    assert [len(piece) for piece in cut(np.arange(9), 4)] == [4, 4, 1]
    assert [len(piece) for piece in cut(np.arange(9), 4, drop_single=True)] == [4, 4]
    assert [len(piece) for piece in cut(np.arange(10), 4, drop_single=True)] == [4, 4, 2]
    assert [len(piece) for piece in cut(np.arange(2), 1, drop_single=True)] == [1, 1]
    assert cut(np.arange(0), 4) == []


def test_a_reader_that_stops_early_leaves_no_thread(laboratory: Laboratory) -> None:
    """Closing the batches stops the reading thread."""
    import threading

    before = threading.active_count()
    data = Data.load(laboratory.store, laboratory.data)
    reading = batches(data, cut(np.arange(60), 10), torch.device("cpu"))
    next(reading)
    reading.close()  # type: ignore[attr-defined]

    assert threading.active_count() == before


@pytest.mark.parametrize("harm", ["cut", "remove", "replace"])
def test_a_damaged_data_set_is_named(laboratory: Laboratory, harm: str) -> None:
    """Too short, missing, or of another size: one clear message instead of wrong images."""
    path = laboratory.store.data_folder(laboratory.data) / "images.npy"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "remove":
        path.unlink()
    else:
        np.save(path, np.zeros((60, 8, 8, 3), np.uint8))
    with pytest.raises(DataChanged, match=laboratory.data):
        Data.load(laboratory.store, laboratory.data)
