"""Labels, splits and groups are read from folders and tables of several kinds."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.label_tables import files, listed, table, told

from jobs.data import checksums, image_folder, sources
from jobs.errors import BadSpec
from jobs.spec import model
from jobs.spec.model import DataSettings

SPLIT = [f"{split}/{c}/{n}.png" for split in ("train", "test") for c in ("a", "b") for n in "12"]
ROWS = [("path", "label"), ("x/1.png", "cat"), ("2.png", "dog")]
READ = [("2.png", "dog", None, None), ("x/1.png", "cat", None, None)]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "val", "test"), ("Training", "VALID", "Testing"), ("TRAIN", "validation", "test")],
)
def test_split_folders_are_kept_as_they_are(
    train: str, validation: str, test: str, tmp_path: Path
) -> None:
    """In any of the spellings; and it is said."""
    places = [f"{top}/{label}/1.png" for top in (train, validation, test) for label in "ab"]
    found = listed(files(tmp_path, *places))

    assert found.classes == ("a", "b")
    assert {e.path.split("/")[0]: e.given_split for e in found.entries} == {
        train: "train",
        validation: "validation",
        test: "test",
    }
    assert "given by the data is kept: 2 train, 2 validation, 2 test" in found.remarks[0]


def test_a_class_may_lack_validation_images(tmp_path: Path) -> None:
    """Only training images are needed of every class."""
    found = listed(files(tmp_path, *SPLIT, "val/a/9.png"))

    assert found.validation_given
    assert "tenth" not in found.remarks[0]


def test_without_validation_it_is_said_what_becomes_it(tmp_path: Path) -> None:
    """A tenth of the training images."""
    found = listed(files(tmp_path, *SPLIT))

    assert not found.validation_given
    assert "a tenth of the training images" in found.remarks[0]


def test_more_splits_of_data_that_bring_one_are_refused(tmp_path: Path) -> None:
    """There is only one of it."""
    data = str(files(tmp_path / "photos", *SPLIT))
    wanted = {"data": data, "backbones": ["scratch"], "splits": 2, "image_size": 64}

    with pytest.raises(BadSpec, match="splits has no effect"):
        sources.read(model.build(wanted))


def test_classes_at_top_makes_classes_of_split_folders(tmp_path: Path) -> None:
    """Whatever their names."""
    assert listed(files(tmp_path, *SPLIT), classes_at_top=True).classes == ("test", "train")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_separator_byte_order_mark_and_quotes_are_found(
    separator: str, encoding: str, quote: str, tmp_path: Path
) -> None:
    """The header says which; line ends of Windows too."""
    file = table(tmp_path / "labels.csv", ROWS)
    lines = (separator.join(f"{quote}{value}{quote}" for value in row) for row in ROWS)
    file.write_bytes("\r\n".join(lines).encode(encoding))

    assert sorted(told(listed(file))) == READ


def test_excel_may_name_its_separator(tmp_path: Path) -> None:
    """In a line before the header."""
    file = table(tmp_path / "labels.csv", ROWS)
    file.write_text("sep=;\n" + file.read_text().replace(",", ";"))

    assert sorted(told(listed(file))) == READ


def test_quoted_values_may_hold_separators_and_line_ends_stay_blank(tmp_path: Path) -> None:
    """Blank lines are no rows; names of columns in any case, in any order."""
    files(tmp_path, "a, b.png", "2.png")
    file = tmp_path / "labels.csv"
    file.write_text('note,Label,PATH\nx,cat,"a, b.png"\n\ny,dog,./2.png\n\n')

    assert sorted(told(listed(file))) == [
        ("2.png", "dog", None, None),
        ("a, b.png", "cat", None, None),
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_labels_that_look_like_numbers_stay_text(ending: str, tmp_path: Path) -> None:
    """`007` is not 7, and `1.0` is not 1."""
    rows = [("path", "label"), ("1.png", "007"), ("2.png", "7"), ("3.png", "1.0"), ("4.png", "1")]
    file = table(tmp_path / "labels.csv", rows)
    if ending == "parquet":
        file = tmp_path / "labels.parquet"
        columns = list(zip(*rows[1:], strict=True))
        pq.write_table(pa.table({"path": columns[0], "label": columns[1]}), file)
    elif ending == "jsonl":
        file = tmp_path / "labels.jsonl"
        file.write_text("".join(json.dumps({"path": p, "label": c}) + "\n" for p, c in rows[1:]))

    assert listed(file).classes == ("007", "1", "1.0", "7")


def test_numbers_of_parquet_are_labels_and_groups(tmp_path: Path) -> None:
    """As they are written, days too; nested columns are passed over."""
    files(tmp_path, "1.png", "2.png")
    days = [date(2026, 1, 5), date(2026, 1, 6)]
    columns = {"path": ["1.png", "2.png"], "label": [3, 10], "box": [[1, 2], []], "day": days}
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    source = listed(tmp_path / "labels.parquet", group_by="day")

    assert [entry[1::2] for entry in told(source)] == [("10", "2026-01-06"), ("3", "2026-01-05")]


def test_paths_start_from_the_folder_of_images(tmp_path: Path) -> None:
    """`--images`; absolute paths and paths with `..` are meant as they are."""
    files(tmp_path / "images", "1.png", "in/2.png")
    inside, outside = tmp_path / "images" / "in" / "2.png", tmp_path / "3.png"
    outside.write_bytes(b"3")
    file = tmp_path / "labels" / "l.csv"
    file.parent.mkdir()
    file.write_text(f"path,label\n1.png,a\n{inside},b\n")
    near = listed(file, images=tmp_path / "images")
    file.write_text("path,label\n1.png,a\nin\\2.png,b\n../3.png,a\n")
    wide = listed(file, images=tmp_path / "images")

    assert near.origin == str(tmp_path / "images")
    assert [e.path for e in near.entries] == ["1.png", "in/2.png"]
    assert wide.origin == str(tmp_path)
    assert [e.path for e in wide.entries] == ["3.png", "images/1.png", "images/in/2.png"]


def test_the_order_of_rows_changes_nothing_and_a_label_split_or_group_does(tmp_path: Path) -> None:
    """The name of a data set holds what can change results, and nothing else."""
    head = ("path", "label", "split", "group")
    rows = [(f"{n}.png", "ab"[n % 2], ["train", "test"][n // 4], f"g{n // 2}") for n in range(8)]

    def name(*changed: tuple[str, ...], places: slice = slice(None)) -> str:
        kept = {row[0]: row for row in [*rows, *changed]}
        file = table(tmp_path / "l.csv", [head, *list(kept.values())[places]])
        return checksums.add(listed(file)).data_id(DataSettings())

    names = {
        name(),
        name(("0.png", "b", "train", "g0")),
        name(("1.png", "b", "test", "g0")),
        name(("0.png", "a", "train", "g9")),
    }

    assert len(names) == 4
    assert name(places=slice(None, None, -1)) == name()


def test_a_table_without_splits_and_groups_names_the_data_set_of_the_folder(
    tmp_path: Path,
) -> None:
    """The same paths, classes and contents are the same data set."""
    files(tmp_path / "d", "a/1.png", "a/10.png", "b/1.png")
    folder = image_folder.read_folder(tmp_path / "d")
    rows = [(e.path, e.label) for e in reversed(folder.entries)]
    file = table(tmp_path / "d" / "l.csv", [("path", "label"), *rows])

    assert checksums.add(listed(file)).data_id(DataSettings()) == folder.data_id(DataSettings())


def test_paths_are_found_as_other_systems_write_them(tmp_path: Path) -> None:
    """With backslashes, letters in two parts as macOS has them, or spaces around."""
    files(tmp_path, "k\xe4fer/1.png", "k\xe4fer/2.png")
    text = " ka\u0308fer\\1.png ;a;x;;\nk\xe4fer/2.png;b;y;;\n"
    (tmp_path / "l.csv").write_text(f"path;label;note;;\n{text}", encoding="utf-8")
    source = listed(tmp_path / "l.csv")

    assert [entry.path for entry in source.entries] == ["k\xe4fer/1.png", "k\xe4fer/2.png"]
    assert source.remarks == ("columns that are not used: note",)


def test_a_column_of_splits_by_another_name_is_told(tmp_path: Path) -> None:
    """It is not used, as any other; what would keep it is said."""
    rows = [("path", "label", "phase"), ("1.png", "a", "train"), ("2.png", "b", "val")]
    source = listed(table(tmp_path / "l.csv", rows))

    assert "'phase' names splits, which a column 'split' would keep" in source.remarks[0]


def test_an_equal_row_counts_once_and_is_told(tmp_path: Path) -> None:
    """It says nothing new."""
    found = listed(table(tmp_path / "l.csv", [*ROWS, ROWS[1]]))

    assert len(found.entries) == 2
    assert found.remarks == ("1 rows name an image again, with equal values",)


def test_groups_come_from_a_column_or_from_names(tmp_path: Path) -> None:
    """The column `group`, another, or what a pattern finds in the path."""
    head = ("path", "label", "group", "camera")
    file = table(
        tmp_path / "l.csv", [head, ("p1_1.png", "a", "g", "c"), ("p2_1.png", "b", "h", "d")]
    )

    assert [e.group for e in listed(file).entries] == ["g", "h"]
    assert [e.group for e in listed(file, group_by="Camera").entries] == ["c", "d"]
    assert [e.group for e in listed(file, group_by_name="p[0-9]").entries] == ["p1", "p2"]
    assert [e.group for e in listed(file, group_by_name="p([0-9])_").entries] == ["1", "2"]


def test_class_folders_may_have_groups_by_name(tmp_path: Path) -> None:
    """The whole path is searched."""
    found = listed(files(tmp_path, "a/p1/1.png", "b/p2/1.png"), group_by_name="/(p[0-9]+)/")

    assert [e.group for e in found.entries] == ["p1", "p2"]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
@pytest.mark.parametrize("split", [True, False])
def test_an_image_folder_of_hugging_face_is_read(name: str, split: bool, tmp_path: Path) -> None:
    """Metadata beside the images, at the top or in each folder of a split."""
    tops = ["train", "test"] if split else ["."]
    for top in tops:
        folder = files(tmp_path / top, "1.png", "2.png")
        rows = [{"file_name": "1.png", "label": "a"}, {"file_name": "2.png", "label": "b"}]
        if name.endswith("csv"):
            text = "file_name,label\n" + "".join(f"{r['file_name']},{r['label']}\n" for r in rows)
        else:
            text = "".join(json.dumps(row | {"box": [1, 2]}) + "\n" for row in rows)
        (folder / name).write_text(text)
    found = listed(tmp_path)

    assert found.layout == "metadata-folder"
    assert [(e.path, e.label, e.given_split) for e in found.entries] == (
        [(f"{t}/{n}.png", c, t) for n, c in ((1, "a"), (2, "b")) for t in ("test", "train")]
        if split
        else [("1.png", "a", None), ("2.png", "b", None)]
    )


def test_metadata_at_the_top_are_split_by_their_folders(tmp_path: Path) -> None:
    """As Hugging Face does it."""
    rows = [("file_name", "label"), *((p, p.split("/")[1]) for p in SPLIT)]
    table(tmp_path / "metadata.csv", rows)
    found = listed(tmp_path)

    assert found.layout == "metadata-folder"
    assert {e.path.split("/")[0]: e.given_split for e in found.entries} == {
        "train": "train",
        "test": "test",
    }


def test_metadata_without_labels_leave_class_folders_as_they_are(tmp_path: Path) -> None:
    """They are told as files beside the classes."""
    files(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "metadata.csv").write_text("file_name,weather\na/1.png,sun\n")
    found = listed(tmp_path)

    assert found.layout == "class-folders"
    assert found.beside == ("metadata.csv",)
