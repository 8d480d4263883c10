"""One array file, written by several processes at their own places."""

from __future__ import annotations

from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from jobs import full_disk  # noqa: E402
from jobs.data.image_folder import read_folder  # noqa: E402
from jobs.errors import StorageFull  # noqa: E402
from models.data.array import ArrayWriter, Rows, read  # noqa: E402
from models.data.decode import Pixels  # noqa: E402
from models.data.decode_pool import decode_all  # noqa: E402


def image(value: int) -> Pixels:
    """Eight by eight pixels of one grey."""
    return np.full((8, 8, 3), value, np.uint8)


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    """In its order, slices of larger images too."""
    writer = ArrayWriter(tmp_path / "a.npy", 8)
    for value in range(5):
        writer.append(np.full((8, 16, 3), value, np.uint8)[:, ::2])
    writer.close()

    assert read(tmp_path / "a.npy")[:, 3, 3, 1].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kept", [[], [0], [4], [0, 1, 2, 3, 4], [1, 2, 4], [0, 3]])
def test_rows_put_in_any_order_close_up_to_those_kept(tmp_path: Path, kept: list[int]) -> None:
    """The others leave no gap, and the file ends with its last image."""
    writer = ArrayWriter(tmp_path / "a.npy", 8)
    with writer.rows.putting() as put:
        for row in (4, 0, 3, 1, 2):
            put(row, image(row))
    writer.close(kept)

    assert read(tmp_path / "a.npy")[:, 7, 7, 2].tolist() == kept
    assert (tmp_path / "a.npy").stat().st_size == writer.start + len(kept) * 8 * 8 * 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")
def test_a_disk_that_is_full_where_a_process_decodes_is_said_as_such(animal_folder: Path) -> None:
    """The process that writes is another one; it does not die of the error."""
    source = read_folder(animal_folder)
    rows = Rows(Path("/dev/full"), 128, 16 * 16 * 3)

    with (
        pytest.raises(StorageFull, match="No space left on device"),
        full_disk.storage_errors(Path("images.npy")),
    ):
        list(decode_all(animal_folder, source.entries, 16, rows, 2))
