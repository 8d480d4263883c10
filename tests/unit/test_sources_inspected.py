"""What `orch data inspect` says of given splits, groups and labels, and what preparing makes."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")

from PIL import Image  # noqa: E402

from jobs.data import sources  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from models.data.prepare_data_set import prepare_folder  # noqa: E402
from orchestrator import cli  # noqa: E402


def dots(file: Path, seed: int) -> None:
    """An image of coarse noise, unlike that of any other seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((40, 30), Image.Resampling.NEAREST).save(file)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Thirty images of two classes with a split and six patients, one of whom is cut."""
    rows = []
    for number in range(30):
        dots(tmp_path / "images" / f"{number}.png", number)
        split = ["train", "train", "val", "test"][number // 5 % 4]
        rows.append([f"images/{number}.png", ["007", "1.0"][number % 2], split, f"p{number // 6}"])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "group"], *rows])
    return tmp_path / "labels.csv"


def inspected(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What `orch data inspect` says as JSON; it must end with exit code 0."""
    code = cli.run(["data", "inspect", *words, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)

    assert code == 0
    return found


def test_counts_groups_and_equal_images_across_given_splits_are_told(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers for a program, lines for a reader."""
    (labels.parent / "images" / "15.png").write_bytes(
        (labels.parent / "images" / "1.png").read_bytes()
    )
    found = inspected(capsys, str(labels))

    assert found["layout"] == "labels-file"
    assert found["labels"] == str(labels)
    assert found["groups"] == 5
    assert found["by_split"]["007"] == {"train": 10, "validation": 3, "test": 2}
    assert found["equal_across_splits"] == [["images/1.png", "images/15.png"]]
    assert found["groups_across_splits"]["p2"] == {"validation": 3, "test": 3}
    assert found["modes"] == {"RGB": 30}
    assert found["sizes"] == {"width": [40, 40, 40], "height": [30, 30, 30]}
    assert any("groups of images in several splits: p1 (" in line for line in found["notes"])
    assert any("1 group of equal images in several splits" in line for line in found["notes"])
    assert "given by the data is kept: 20 train, 5 validation, 5 test" in found["notes"][0]


def test_a_drawn_split_cuts_no_group(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the column of splits."""
    rows = [line.split(",") for line in labels.read_text().split()]
    labels.write_text("".join(f"{p},{c},{g}\n" for p, c, _, g in rows))
    found = inspected(capsys, str(labels))

    assert found["split_given"] is False
    assert found["groups_across_splits"] == {}


def test_a_page_holds_chart_and_samples(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one file, which names what was found."""
    pytest.importorskip("matplotlib")
    page = labels.parent / "pages" / "data.html"
    inspected(capsys, str(labels), "--html", str(page))
    told = page.read_text()

    assert told.count("<svg") == 2
    assert "Sample images of 2 classes" in told
    assert "groups of images in several splits" in told
    assert "http" not in told.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_preparing_keeps_the_given_split_and_the_store_keeps_the_source(
    labels: Path, tmp_path: Path
) -> None:
    """Labels stay text; a store that is read again gives the same name."""
    asked = model.build({"backbones": "scratch", "weights": "none", "data": str(labels)})
    source, settings = sources.read(asked), asked.data_settings()
    facts = prepare_folder(source, settings, tmp_path / "out", processes=1)
    rows = tables.read_table(tmp_path / "out" / "manifest.parquet", tables.MANIFEST).to_pylist()
    store, name = Store(tmp_path / "store"), source.data_id(settings)
    store.save_data(name, source, settings)
    kept, kept_settings = store.load_data(name)

    assert source.classes == ("007", "1.0")
    assert facts["classes"]["007"] == {"train": 10, "validation": 3, "test": 2}
    assert {row["path"]: row["split"] for row in rows} == {
        entry.path: entry.given_split for entry in source.entries
    }
    assert kept.data_id(kept_settings) == name
    assert (kept.entries, kept.layout, kept.labels) == (source.entries, "labels-file", str(labels))


@pytest.mark.study
def test_photographs_are_split_and_grouped_by_a_table(shared: Path, tmp_path: Path) -> None:
    """A fourth of them, in bursts of five: the given split is kept, then one is drawn."""
    photographs = sorted((shared / "data" / "animals22").glob("*/*"))[::4]
    rows = [
        (f"{p.parent.name}/{p.name}", p.parent.name, f"{p.parent.name}{place // 5}", place % 10)
        for place, p in enumerate(photographs)
    ]
    sides = ["train"] * 7 + ["valid"] + ["Testing"] * 2
    table = tmp_path / "labels.tsv"
    table.write_text(
        "path\tlabel\tburst\tsplit\n"
        + "".join(f"{path}\t{label}\t{burst}\t{sides[n]}\n" for path, label, burst, n in rows)
    )
    given = _prepared(table, shared, tmp_path / "given")
    text = table.read_text().split("\n")
    table.write_text("\n".join(line.rpartition("\t")[0] for line in text))
    drawn = _prepared(table, shared, tmp_path / "drawn")
    bursts = {path: burst for path, _, burst, _ in rows}

    assert given == {
        path: {"valid": "validation", "Testing": "test"}.get(sides[n], "train")
        for path, _, _, n in rows
    }
    assert len({(bursts[path], split) for path, split in drawn.items()}) == len(
        set(bursts.values())
    )
    assert Counter(drawn.values())["test"] / len(drawn) == pytest.approx(0.2, abs=0.03)


def _prepared(table: Path, shared: Path, target: Path) -> dict[str, str]:
    """The split of each photograph, as preparing it at 32 pixels gives it."""
    keys = {"data": str(table), "images": str(shared / "data" / "animals22"), "group_by": "burst"}
    asked = model.build({"backbones": "scratch", "weights": "none", "image_size": 32, **keys})
    source = sources.read(asked)
    prepare_folder(source, asked.data_settings(), target, processes=os.cpu_count() or 1)
    rows = tables.read_table(target / "manifest.parquet", tables.MANIFEST).to_pylist()
    return {row["path"]: row["split"] for row in rows}
