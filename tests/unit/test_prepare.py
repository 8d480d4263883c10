"""A folder becomes one array and one manifest; problems are reported by file name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from support.learning import Laboratory, stop_after

from jobs.data.data_source import built_in
from jobs.errors import BadImages, DataChanged, DataOutOfReach, Stopped
from jobs.spec.model import DataSettings
from jobs.store import tables
from jobs.task import Task
from models.data.decode import decode
from models.data.prepare_data_set import prepare_folder


def test_the_array_and_the_manifest_describe_each_image(
    animal_folder: Path, tmp_path: Path
) -> None:
    """Row i is image i: its pixels are the file's, its label the folder's; the result counts
    them.
    """
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=24)
    outcome = laboratory.prepare()
    place = laboratory.store.data_folder(laboratory.data)
    images, manifest = np.load(place / "images.npy"), pq.read_table(place / "manifest.parquet")
    rows = manifest.to_pylist()

    assert manifest.schema.equals(tables.MANIFEST)
    assert (images.shape, images.dtype, len(rows)) == ((60, 24, 24, 3), np.uint8, 60)
    for pixels, row in zip(images, rows, strict=True):
        assert np.array_equal(pixels, decode((animal_folder / row["path"]).read_bytes(), 24))
        assert row["path"].startswith(row["label"] + "/")
    assert outcome["classes"]["bear"] == {"train": 14, "validation": 2, "test": 4}
    assert (outcome["images"], outcome["skipped"]) == (60, [])


def test_progress_counts_up_to_every_file(animal_folder: Path, tmp_path: Path) -> None:
    """The last message says that all of them are done."""
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=24)
    laboratory.prepare()

    assert {key: laboratory.told[-1][key] for key in ("phase", "done", "total")} == {
        "phase": "prepare",
        "done": 60,
        "total": 60,
    }


def test_the_same_folder_elsewhere_is_split_the_same(animal_folder: Path, tmp_path: Path) -> None:
    """A copy, with other times and another listing order, has the same manifest and the
    same name.
    """
    copy = tmp_path / "elsewhere" / "animals"
    for path in sorted(animal_folder.rglob("*.png"), reverse=True):
        (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / path.parent.name / path.name)
    here = Laboratory.of(tmp_path / "here", animal_folder, image_size=16)
    there = Laboratory.of(tmp_path / "there", copy, image_size=16)
    here.prepare()
    there.prepare()
    manifests = [
        pq.read_table(each.store.data_folder(each.data) / "manifest.parquet").to_pylist()
        for each in (here, there)
    ]

    assert here.data == there.data
    assert manifests[0] == manifests[1]


@pytest.fixture
def spoilt_folder(animal_folder: Path) -> Path:
    """The animals with a text file, an empty file and a truncated image among them."""
    (animal_folder / "ape" / "notes.txt").write_text("not an image")
    (animal_folder / "bear" / "empty.jpg").write_bytes(b"")
    whole = (animal_folder / "cat" / "000.png").read_bytes()
    (animal_folder / "cat" / "torn.png").write_bytes(whole[: len(whole) // 2])
    return animal_folder


def test_all_broken_files_are_named_in_one_message(spoilt_folder: Path, tmp_path: Path) -> None:
    """All are listed, not only the first; and the message says what to do."""
    laboratory = Laboratory.of(tmp_path / "store", spoilt_folder, image_size=24)
    with pytest.raises(BadImages) as refusal:
        laboratory.prepare()

    for named in (
        "3 file(s)",
        "ape/notes.txt (not an image)",
        "bear/empty.jpg",
        "cat/torn.png",
        "--skip-broken",
    ):
        assert named in str(refusal.value)
    assert not laboratory.store.is_done(Task("prepare", laboratory.data))


def test_of_very_many_broken_files_twenty_are_named_and_the_rest_counted(
    animal_folder: Path, tmp_path: Path
) -> None:
    """The message stays readable."""
    for number in range(25):
        (animal_folder / "ape" / f"x{number:02d}.jpg").write_bytes(b"no")
    with pytest.raises(BadImages, match=r"x19\.jpg \(not an image\) and 5 more"):
        Laboratory.of(tmp_path / "store", animal_folder, image_size=24).prepare()


def test_broken_files_are_left_out_when_asked_for_and_listed(
    spoilt_folder: Path, tmp_path: Path
) -> None:
    """The rest is prepared; the result lists the skipped files."""
    laboratory = Laboratory.of(tmp_path / "store", spoilt_folder, image_size=24, skip_broken=True)
    outcome = laboratory.prepare()
    images = np.load(laboratory.store.data_folder(laboratory.data) / "images.npy")

    assert outcome["skipped"] == ["ape/notes.txt", "bear/empty.jpg", "cat/torn.png"]
    assert (outcome["images"], len(images)) == (60, 60)


def test_a_class_left_without_images_is_an_error(animal_folder: Path, tmp_path: Path) -> None:
    """Skipping broken files must not silently drop a class."""
    (animal_folder / "dog").mkdir()
    (animal_folder / "dog" / "x.jpg").write_bytes(b"no")
    with pytest.raises(BadImages, match=r"class\(es\) dog have no complete image"):
        Laboratory.of(tmp_path / "store", animal_folder, image_size=24, skip_broken=True).prepare()


def test_too_few_images_to_split_is_an_error(tmp_path: Path) -> None:
    """Two images are not enough for training, validation and test."""
    for label in "ab":
        (tmp_path / "few" / label).mkdir(parents=True)
        Image.new("RGB", (30, 30), "red" if label == "a" else "blue").save(
            tmp_path / "few" / label / "1.png"
        )
    with pytest.raises(BadImages, match="too few images to split"):
        Laboratory.of(tmp_path / "store", tmp_path / "few", image_size=24).prepare()


@pytest.mark.parametrize("change", ["rewrite", "remove"])
def test_a_folder_that_changed_since_it_was_submitted_is_refused(
    animal_folder: Path, tmp_path: Path, change: str
) -> None:
    """A file that changed or is missing is named."""
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=24)
    if change == "rewrite":
        shutil.copyfile(animal_folder / "ape" / "001.png", animal_folder / "cat" / "007.png")
    else:
        (animal_folder / "cat" / "007.png").unlink()
    with pytest.raises(DataChanged, match=r"cat/007\.png"):
        laboratory.prepare()
    shutil.rmtree(animal_folder)
    with pytest.raises(DataOutOfReach, match=f"{animal_folder} does not exist on"):
        laboratory.prepare()


def test_a_stopped_preparation_publishes_nothing(animal_folder: Path, tmp_path: Path) -> None:
    """It is short enough to start from the beginning."""
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=24)
    with pytest.raises(Stopped):
        laboratory.do(Task("prepare", laboratory.data), stop_after(5))

    assert not (laboratory.store.data_folder(laboratory.data) / "images.npy").exists()


def test_duplicates_stay_on_one_side(animal_folder: Path, tmp_path: Path) -> None:
    """Equal files under other names, and equal pixels in another format."""
    for number in range(8):
        original = animal_folder / "ape" / f"{number:03d}.png"
        shutil.copyfile(original, animal_folder / "ape" / f"copy{number}.png")
        Image.open(original).save(animal_folder / "ape" / f"other{number}.bmp")
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=24)
    laboratory.prepare()
    rows = pq.read_table(
        laboratory.store.data_folder(laboratory.data) / "manifest.parquet"
    ).to_pylist()
    split = {row["path"]: row["split"] for row in rows}

    for number in range(8):
        assert (
            len(
                {
                    split[f"ape/{name}"]
                    for name in (f"{number:03d}.png", f"copy{number}.png", f"other{number}.bmp")
                }
            )
            == 1
        )


def test_digits_are_prepared_like_any_other_images(tmp_path: Path) -> None:
    """All 1,797 of them, ten classes, upright grey, through the same resizing."""
    facts = prepare_folder(built_in("digits"), DataSettings(image_size=16), tmp_path, processes=1)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")

    assert facts["images"] == len(images) == 1797
    assert list(facts["classes"]) == [str(digit) for digit in range(10)]
    assert sum(facts["classes"]["3"].values()) == 183
    assert np.array_equal(images[..., 0], images[..., 2])
    assert int(images.max()) > 200


KILLED = """
import sys, time
from pathlib import Path
from jobs.data import image_folder
from models.data.array import ArrayWriter
from models.data.decode_pool import decode_all
if __name__ == "__main__":
    source = image_folder.read_folder(Path(sys.argv[1]))
    rows = ArrayWriter(Path(sys.argv[2]), 64).rows
    found = decode_all(Path(sys.argv[1]), source.entries * 50, 64, rows, 2)
    next(found)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_the_decoding_processes_die_with_the_one_that_asked(
    animal_folder: Path, tmp_path: Path
) -> None:
    """Killed without cleanup, it leaves no process behind."""
    psutil = pytest.importorskip("psutil")
    (tmp_path / "killed.py").write_text(KILLED)
    asking = subprocess.Popen(
        [
            sys.executable,
            str(tmp_path / "killed.py"),
            str(animal_folder),
            str(tmp_path / "images.npy"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdout is not None
    with asking.stdout:
        ready = asking.stdout.readline()
        family = psutil.Process(asking.pid).children(recursive=True)
        os.kill(asking.pid, signal.SIGKILL)
        asking.wait(10)
        gone, alive = psutil.wait_procs(family, timeout=10)

    assert ready == "ready\n"
    assert len(gone) >= 3
    assert alive == []


@pytest.mark.study
def test_the_studys_photographs_are_prepared_whole(shared: Path, tmp_path: Path) -> None:
    """1,997 photographs in 22 classes, every one decoded, duplicates and all."""
    laboratory = Laboratory.of(tmp_path / "store", shared / "data" / "animals22", image_size=32)
    started = time.monotonic()
    outcome = laboratory.prepare()

    assert (outcome["images"], len(outcome["classes"]), outcome["skipped"]) == (1997, 22, [])
    assert all(min(count.values()) > 0 for count in outcome["classes"].values())
    assert time.monotonic() - started < 120
