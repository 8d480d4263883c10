"""Tables of labels and given splits that cannot be used are refused, and rows are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.label_tables import files, listed, table

from jobs.data import sources
from jobs.errors import BadFolder, BadSpec
from jobs.spec import model

P = "path,label"
BAD: list[tuple[str, str, str]] = [
    ("no header", "1.png,a\n2.png,b\n", "no header that names the columns path and label"),
    ("another header", "image,class\n1.png,a\n", "Rename 'image' to 'path' and 'class' to 'label'"),
    (
        "an odd header",
        "image,kind\n1.png,a\n",
        "'image' to 'path' and that of the labels to 'label'",
    ),
    ("nothing", "", "It is empty"),
    ("a file that is not there", f"{P}\n1.png,a\n2.png,b\n8.png,a\n", "no file '8.png' in line 4"),
    (
        "two labels",
        f"{P}\n1.png,a\n2.png,b\n./1.png,b\n",
        "has two labels ('a' and 'b') in lines 2, 4",
    ),
    ("two splits", f"{P},split\n1.png,a,train\n1.png,a,test\n", "has two splits"),
    ("two groups", f"{P},group\n1.png,a,g\n1.png,a,h\n2.png,b,h\n", "has two groups"),
    ("one class", f"{P}\n1.png,a\n2.png,a\n", "names 1 class ('a')"),
    ("no rows", f"{P}\n", "names no image"),
    ("an unknown split", f"{P},split\n1.png,a,train\n2.png,b,dev\n", "('dev') in line 3"),
    ("a split that is missing", f"{P},split\n1.png,a,train\n2.png,b,\n", "in line 3"),
    ("no label", f"{P}\n1.png,a\n2.png,\n3.png, \n", "no label in lines 3, 4"),
    ("a label with a line end", f'{P}\n1.png,a\n2.png,"b\nc"\n', "('b\\nc') in line 4"),
    ("a label that cannot be seen", f"{P}\n1.png,a\n2.png,a\u200b\n", "('a\\u200b') in line 3"),
    ("no path", f"{P}\n1.png,a\n,b\n", "no path in line 3"),
    ("a short row", f"{P}\n1.png,a\n2.png\n", "not 2 values in line 3"),
    ("a long row", f"{P}\n1.png,a\n2.png,b,c\n", "not 2 values in line 3"),
    ("an open quote", f'{P}\n1.png,a\n2.png,"b\n', "cannot be read after line"),
    ("two columns of one name", f"{P},label\n1.png,a,b\n", "two columns 'label'"),
    (
        "a group that is missing",
        f"{P},group\n1.png,a,g\n2.png,b,\n",
        "no value of 'group' in line 3",
    ),
    ("a folder", f"{P}\n1.png,a\nsub,b\n", "a folder, or no regular file 'sub' in line 3"),
    ("no test", f"{P},split\n1.png,a,train\n2.png,b,train\n", "gives no test images"),
    ("no training", f"{P},split\n1.png,a,val\n2.png,b,test\n", "gives no training images"),
    (
        "a class that is not trained",
        f"{P},split\n1.png,a,train\n2.png,b,test\n3.png,a,test\n",
        "no training image of class(es) b",
    ),
]


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_table_is_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    """With the rows, and with what to do."""
    files(tmp_path, "1.png", "2.png", "3.png", "sub/4.png")
    (tmp_path / "l.csv").write_text(text)

    with pytest.raises(BadFolder) as refusal:
        listed(tmp_path / "l.csv")

    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("l.csv", "path,label\nk\xe4fer.png,b\n".encode("latin-1")),
        ("l.csv", b"path,label\n1.png,\0\n"),
        ("l.parquet", b"PAR1 and nothing more"),
        ("l.jsonl", b"{]"),
        ("l.jsonl", b"[1, 2]"),
        ("l.jsonl", b'{"path": "1.png", "label": ["a", "b"]}'),
        ("l.csv", b"path,label\n" + b"x" * 200_000 + b",a\n"),
    ],
)
def test_bytes_that_are_no_table_are_refused(name: str, contents: bytes, tmp_path: Path) -> None:
    """No traceback, whatever they are."""
    files(tmp_path, "1.png")
    (tmp_path / name).write_bytes(contents)

    with pytest.raises(BadFolder, match=name):
        listed(tmp_path / name)


SPLITS: list[tuple[str, list[str], str]] = [
    ("no test folder", ["train/a/1", "train/b/1", "val/a/1", "val/b/1"], "gives no test images"),
    ("no train folder", ["test/a/1", "test/b/1", "val/a/1"], "gives no training images"),
    ("two of a kind", ["train/a/1", "val/a/1", "valid/a/1", "test/b/1"], "both mean validation"),
    ("classes that differ", ["train/Cat/1", "train/dog/1", "test/cat/1"], "of class(es) cat"),
    ("images without classes", ["train/a/1", "train/b/1", "test/1"], "has no class folders"),
    ("one class", ["train/a/1", "test/a/1"], "has only one class"),
    ("images and labels", ["train/images/1", "train/labels/1", "test/images/1"], "labels"),
]


@pytest.mark.parametrize(
    ("places", "words"), [row[1:] for row in SPLITS], ids=[row[0] for row in SPLITS]
)
def test_split_folders_that_are_not_whole_are_refused(
    places: list[str], words: str, tmp_path: Path
) -> None:
    """And what is missing is said."""
    with pytest.raises(BadFolder) as refusal:
        listed(files(tmp_path, *places))

    assert words in str(refusal.value)


def asked(place: Path, **keys: Any) -> model.Spec:
    """A specification on a place."""
    return model.build({"backbones": "scratch", "weights": "none", "data": str(place), **keys})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"group_by": "who"}, "needs a table of labels"),
        ({"images": "."}, "needs a table of labels"),
        ({"group_by_name": "x+"}, "finds no group in"),
        ({"group_by_name": "("}, "is not a pattern"),
        ({"group_by_name": "a", "group_by": "b"}, "both given"),
        ({"split": [60, 20, 20]}, "split has no effect"),
    ],
)
def test_keys_that_do_not_fit_the_source_are_refused(
    keys: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Nothing is passed over in silence."""
    folder = files(tmp_path, "train/a/1", "train/b/1", "test/a/1", "test/b/1")

    with pytest.raises((BadFolder, BadSpec)) as refusal:
        sources.read(asked(folder, **keys))

    assert words in str(refusal.value)


def test_split_seed_is_refused_where_nothing_is_drawn(tmp_path: Path) -> None:
    """It would name another data set with the same images; without validation it has a meaning."""
    rows = [("path", "label", "split")]
    rows += [(f"{s}{c}.png", c, s) for s in ("train", "val", "test") for c in "ab"]
    whole = table(tmp_path / "whole.csv", rows)
    lacking = table(tmp_path / "lacking.csv", [row for row in rows if row[2] != "val"])

    sources.read(asked(lacking, split_seed=3))
    with pytest.raises(BadSpec, match="split_seed has no effect"):
        sources.read(asked(whole, split_seed=3))


@pytest.mark.parametrize("keys", [{"group_by": "x"}, {"group_by_name": "x"}, {"images": "."}])
def test_built_in_data_have_no_tables(keys: dict[str, str]) -> None:
    """The keys of tables are refused."""
    with pytest.raises(BadSpec, match="no effect on the built-in digits"):
        sources.read(model.build({"backbones": "scratch", **keys}))


@pytest.mark.parametrize("top", ["", "train/"])
@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ('{"file_name": "1.png", "label": "a"}\n{oops\n', "line 2 is no JSON object"),
        ('{"label": "a"}\n', "no column 'path'"),
    ],
)
def test_metadata_that_cannot_be_read_are_named(
    contents: str, words: str, top: str, tmp_path: Path
) -> None:
    """Not the class folders that are missing beside them."""
    folder = files(tmp_path / "photos", f"{top}1.png", f"{top}2.png")
    (folder / top / "metadata.jsonl").write_text(contents)

    with pytest.raises(BadFolder, match=r"metadata\.jsonl") as refusal:
        listed(folder)

    assert words in str(refusal.value)


def test_a_column_of_lists_is_named(tmp_path: Path) -> None:
    """It is there, and no label."""
    files(tmp_path, "1.png")
    pq.write_table(pa.table({"path": ["1.png"], "label": [["a", "b"]]}), tmp_path / "l.parquet")

    with pytest.raises(BadFolder, match="'label' holds lists or records"):
        listed(tmp_path / "l.parquet")


def test_two_columns_of_one_name_are_refused_in_parquet(tmp_path: Path) -> None:
    """As in text."""
    columns = [pa.array(["1.png"]), pa.array(["a"]), pa.array(["b"])]
    twice = pa.Table.from_arrays(columns, names=["path", "label", "label"])
    pq.write_table(twice, tmp_path / "l.parquet")

    with pytest.raises(BadFolder, match="has two columns 'label'"):
        listed(tmp_path / "l.parquet")
