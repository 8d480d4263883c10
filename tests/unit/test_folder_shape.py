"""Folders one level too high or too low are refused, and the folder that was meant is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.data import folder_shape, image_folder
from jobs.errors import BadFolder


def put(where: Path, *places: str) -> Path:
    """Small files below a folder."""
    for place in places:
        path = where / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.encode())
    return where


def under(*tops: str, classes: tuple[str, ...] = ("lion", "tiger")) -> list[str]:
    """A file for each class in each of these folders."""
    return [f"{top}/{label}/1.png" for top in tops for label in classes]


WRONG: list[tuple[str, list[str], str | None]] = [
    ("train, val, test", under("train", "val", "test"), "train"),
    ("Training and Testing", under("Training", "Testing"), "Training"),
    ("valid and train", under("valid", "train"), "train"),
    ("TRAIN and validation", under("TRAIN", "validation"), "TRAIN"),
    ("trainset and testset", under("trainset", "testset"), "trainset"),
    ("seg_train, seg_test", under("seg_train", "seg_test"), "seg_train"),
    ("train2017, val2017", under("train2017", "val2017"), "train2017"),
    ("train_images, test", under("train_images", "test"), "train_images"),
    ("doubled", under("seg_train/seg_train", "seg_test/seg_test"), "seg_train/seg_train"),
    ("a split of two classes beside notes", [*under("train", "val"), "docs/a.png"], "train"),
    ("a split of images without classes", ["train/1.png", "test/2.png"], None),
    ("images and labels", ["images/1.png", "labels/1.txt"], None),
    ("inputs and targets", ["inputs/1.png", "targets/1.png"], None),
    ("JPEGImages and Annotations", ["JPEGImages/1.jpg", "Annotations/1.xml"], None),
    ("images by class, and masks", under("images", "masks"), "images"),
    ("train_images, train_masks", ["train_images/1.png", "train_masks/1.png"], None),
    ("Cityscapes", ["leftImg8bit/train/1.png", "gtFine/train/1.png", "gtFine/val/1.png"], None),
    ("YOLO", ["train/images/1.png", "train/labels/1.txt", "valid/images/1.png"], None),
    ("images and masks in each class", under("a", "b", classes=("images", "masks")), None),
    ("masks within a class", ["a/1.png", "a/masks/1.png", "b/1.png"], None),
    ("one class of folders", under("photos"), "photos"),
    ("one class of folders, deeper", under("x/y/photos"), "x/y/photos"),
    ("one folder, split below", under("all/train", "all/test"), "all/train"),
    ("a parent of data folders", [*under("cats"), *under("trees", classes=("fir", "oak"))], "cats"),
    ("sites with the same classes", under("site1", "site2", "site3"), "site1"),
    ("a copy of itself", ["data/no/1.png", "data/yes/1.png", "no/1.png", "yes/1.png"], "data"),
]


@pytest.mark.parametrize(
    ("places", "meant"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_level_is_refused_and_the_folder_meant_is_named(
    places: list[str], meant: str | None, tmp_path: Path
) -> None:
    """One line, with the path to give instead if there is one."""
    folder = put(tmp_path / "d", *places)

    with pytest.raises(BadFolder) as refusal:
        image_folder.list_folder(folder)

    assert "\n" not in str(refusal.value)
    if meant is not None:
        assert f"Give {folder / meant}" in str(refusal.value)
        assert len(image_folder.list_folder(folder / meant).classes) > 1


RIGHT: list[tuple[str, list[str]]] = [
    ("images in folders below a class", ["a/1.png", "a/trip/2.png", "b/1.png"]),
    ("one folder of images in each class", ["a/images/1.png", "b/images/1.png"]),
    ("train is a vehicle", ["train/1.png", "bus/1.png", "car/1.png"]),
    ("test tubes and train stations", ["test tube/1.png", "train station/1.png"]),
    ("with and without a mask", ["with_mask/1.png", "without_mask/1.png"]),
    ("valid and invalid", ["valid/1.png", "invalid/1.png"]),
    ("a split within each class", under("a", "b", classes=("train", "test"))),
    ("only one class has folders", ["a/x/1.png", "a/y/1.png", "b/1.png", "c/1.png"]),
]


@pytest.mark.parametrize("places", [row[1] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_folders_of_the_right_level_are_taken(places: list[str], tmp_path: Path) -> None:
    """A name alone is no reason to refuse."""
    listed = image_folder.list_folder(put(tmp_path, *places))

    assert set(listed.classes) == {place.split("/")[0] for place in places}


def test_classes_at_top_takes_the_folders_as_they_are(tmp_path: Path) -> None:
    """Patients below a diagnosis have the shape of several data folders, and are none."""
    folder = put(tmp_path, *under("benign", "malignant", classes=("p1", "p2")))

    with pytest.raises(BadFolder, match="--classes-at-top"):
        image_folder.list_folder(folder)

    assert image_folder.list_folder(folder, True).classes == ("benign", "malignant")


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", "#recycle"),
        *(".Trash-1", "@Recently-Snapshot", "__pycache__", "found.000", "LOST.DIR"),
    ],
)
def test_folders_of_other_systems_are_no_classes(name: str, tmp_path: Path) -> None:
    """Neither beside the classes nor within one."""
    folder = put(tmp_path, "a/1.png", "b/1.png", f"{name}/x.png", f"a/{name}/y.png")

    listed = image_folder.list_folder(folder)

    assert listed.classes == ("a", "b")
    assert [entry.path for entry in listed.entries] == ["a/1.png", "b/1.png"]


def test_what_lies_beside_the_class_folders_is_known(tmp_path: Path) -> None:
    """Loose files are no images of the data set."""
    folder = put(tmp_path, "a/1.png", "b/1.png", "labels.csv", "9.png", ".hidden", "Thumbs.db")

    assert image_folder.list_folder(folder).beside == ("9.png", "labels.csv")


def test_names_that_look_the_same_are_found() -> None:
    """Case, spaces, the two Unicode forms of an accent, a space without width."""
    alike = folder_shape.alike(
        ["Cat", "cat", "dog", "dog ", "caf\u00e9", "cafe\u0301", "bird", "bi\u200brd"]
    )

    assert alike == [
        ["Cat", "cat"],
        ["dog", "dog "],
        ["caf\u00e9", "cafe\u0301"],
        ["bird", "bi\u200brd"],
    ]


def test_a_split_within_the_classes_is_found() -> None:
    """It is not used: orch makes its own."""
    paths = under("a", "b", classes=("train", "test"))

    assert folder_shape.split_within_classes(folder_shape.tree(("a", "b"), paths)) == [
        "test",
        "train",
    ]
    assert folder_shape.split_within_classes(folder_shape.tree(("a",), ["a/1.png"])) == []
