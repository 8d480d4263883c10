"""Test images that leak into training, and the result without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

import pyarrow as pa
from PIL import Image
from support.fake_images import fake_manifest, fake_pixels
from support.fakes import fill_store

from jobs.data.data_source import DataSource, ImageFile, built_in
from jobs.store import tables
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import leaks
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.run_data import keep_leaks, read_run_data
from orchestrator.report import cautions, write
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import data_set
from orchestrator.report.sections import leaks as leaks_section

CLASSES = ("ape", "bear", "cat")
Rows = list[dict[str, str]]
Pixels = np.ndarray[Any, Any]


@pytest.fixture
def rows() -> Rows:
    """Rows of a manifest of 63 images without suspects."""
    return fake_manifest(CLASSES, 20)


@pytest.fixture
def pixels(rows: Rows) -> Pixels:
    """Their pixels."""
    return fake_pixels(rows, 64)


def found(rows: Rows, pixels: Pixels | None, source: DataSource | None = None) -> leaks.Leaks:
    """The suspects among these images."""
    return leaks.find_leaks(pa.Table.from_pylist(rows, schema=tables.MANIFEST), pixels, source)


def place(rows: Rows, split: str, number: int = 0) -> int:
    """Where an image of a split is."""
    return [i for i, row in enumerate(rows) if row["split"] == split][number]


def changed(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """Another version of an image, with the same sides."""
    image = Image.fromarray(pixels)
    return np.asarray(change(image).resize(image.size))


def test_there_are_none_where_no_image_is_like_another(rows: Rows, pixels: Pixels) -> None:
    """The test images are counted."""
    none = found(rows, pixels)

    assert (none.tested, none.pairs, none.unseen) == (14, (), "")


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("near duplicate", lambda image: image.resize((32, 32))),
        ("near duplicate", lambda image: image.point(lambda value: value * 0.97 + 4)),
        ("near duplicate, mirrored", lambda image: image.transpose(0)),
    ],
    ids=["half the size", "a little brighter", "mirrored"],
)
def test_a_changed_copy_of_a_test_image_is_suspected(
    rows: Rows, pixels: Pixels, split: str, kind: str, change: Any
) -> None:
    """With its twin, the split of that, and how far apart they are."""
    test, twin = place(rows, "test", 2), place(rows, split, 3)
    pixels[twin] = changed(pixels[test], change)
    (pair,) = found(rows, pixels).pairs

    assert (pair.image, pair.twin) == (rows[test]["path"], rows[twin]["path"])
    assert (pair.split, pair.kind) == (split, kind)
    assert pair.bits is not None
    assert pair.bits <= 8
    assert pair.levels is not None
    assert pair.levels <= 8


def test_what_is_no_copy_is_not_suspected(rows: Rows, pixels: Pixels) -> None:
    """A quarter of it, as documented; and images of hardly any contrast."""
    test, twin, grey = place(rows, "test"), place(rows, "train"), place(rows, "train", 1)
    pixels[twin] = changed(pixels[test], lambda image: image.crop((0, 0, 32, 32)))
    pixels[grey] = pixels[place(rows, "test", 1)] = 128

    assert not found(rows, pixels).pairs


def test_equal_files_pixels_and_groups_need_no_pixels(rows: Rows) -> None:
    """A given split may put them on both sides; each test image counts once."""
    tests, others = ([place(rows, split, n) for n in range(3)] for split in ("test", "train"))
    rows[tests[0]]["sha256"] = rows[others[0]]["sha256"]
    rows[tests[1]]["pixels"] = rows[others[1]]["pixels"]
    entries = [
        ImageFile(
            row["path"], row["label"], row["sha256"], 1, None, "p1" if place in both else None
        )
        for both in [{tests[0], tests[2], others[0], others[2]}]
        for place, row in enumerate(rows)
    ]
    suspected = found(rows, None, DataSource("/photographs", CLASSES, tuple(entries)))
    by_image = {image: {} for image in suspected.images}
    for pair in suspected.pairs:
        by_image[pair.image][pair.twin] = pair.kind

    assert by_image == {
        rows[tests[0]]["path"]: {
            rows[others[0]]["path"]: "equal file",
            rows[others[2]]["path"]: "same group",
        },
        rows[tests[1]]["path"]: {rows[others[1]]["path"]: "equal pixels"},
        rows[tests[2]]["path"]: {
            rows[others[0]]["path"]: "same group",
            rows[others[2]]["path"]: "same group",
        },
    }
    assert suspected.unseen == leaks.NO_PIXELS


def test_built_in_images_are_not_compared_by_their_looks(rows: Rows, pixels: Pixels) -> None:
    """Handwritten digits look alike by nature."""
    pixels[place(rows, "train")] = pixels[place(rows, "test")]
    quiet = found(rows, pixels, built_in("digits"))

    assert (quiet.pairs, quiet.unseen) == ((), leaks.BUILT_IN)


def test_a_twin_seen_often_is_listed_ten_times(rows: Rows, pixels: Pixels) -> None:
    """All images are the same."""
    pixels[:] = pixels[0]
    suspected = found(rows, pixels)

    assert len(suspected.images) == 14
    assert len(suspected.pairs) == 14 * leaks.MAX_TWINS


@pytest.fixture
def leaking(tmp_path: Path) -> tuple[Store, Run]:
    """A run whose first eight test images of class ape lie mirrored among the training images."""
    backbones = ["scratch", "vgg16", "resnet34"]
    store, run = fill_store(
        tmp_path / "store", backbones=backbones, classes=CLASSES, images_a_class=60, periods=1
    )
    stored = np.load(store.images_path(run.data))
    rows = tables.read_table(store.manifest_path(run.data), tables.MANIFEST).to_pylist()
    for number in range(8):
        stored[place(rows, "train", number)] = stored[place(rows, "test", number)][:, ::-1]
    np.save(store.images_path(run.data), stored)
    return store, run


def test_the_result_without_them_is_that_of_the_other_images(leaking: tuple[Store, Run]) -> None:
    """Accuracy, ranking, lead and McNemar's counts, counted by hand from the predictions."""
    store, run = leaking
    run_data = read_run_data(store, run)
    restated = analyse(run_data).without_suspects
    assert run_data.leaks is not None
    assert restated is not None
    table = tables.read_rows(store.root, "predictions", run.trials).to_pylist()
    last = [
        row
        for row in table
        if row["epoch"] == run.spec.epochs and row["image"] not in run_data.leaks.images
    ]
    right = {
        trial.backbone: [row["label"] == row["predicted"] for row in last if row["trial"] == name]
        for name, trial in run_data.trials.items()
    }
    test = restated.paired_tests[0]
    pairs = list(zip(right[test.first], right[test.second], strict=True))
    shares = {name: sum(of) / len(of) for name, of in right.items()}
    ordered = sorted(shares.values(), reverse=True)
    lead = restated.run_data.leader

    assert len(run_data.leaks.images) == 8
    assert restated.run_data.test_images == run_data.test_images - 8
    assert {s.backbone: s.accuracy.mean for s in restated.run_data.comparison.standings} == (
        pytest.approx(shares)
    )
    assert lead is not None
    assert lead.margin == pytest.approx(ordered[0] - ordered[1])
    assert (test.only_first, test.only_second) == (
        sum(a and not b for a, b in pairs),
        sum(b and not a for a, b in pairs),
    )


def test_the_report_says_so_at_the_top_and_lists_the_pairs(
    leaking: tuple[Store, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the cautions, a section, report.json and a table."""
    store, run = leaking
    out = tmp_path / "out"
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)
    write.write_report(store, run, out, formats=["json", "md", "csv"])
    facts = json.loads((out / "report.json").read_text())
    (caution,) = (c for c in facts["answer"]["cautions"] if "validation image" in c)
    page = (out / "report.md").read_text()
    margin = facts["leaks"]["without"]["margin"]

    assert caution.startswith("8 of 38 test images may have leaked: the same image")
    assert "Without the 8 suspects" in caution
    assert f"{100 * margin:.1f} percentage points" in caution
    assert facts["leaks"]["images"] == len(facts["leaks"]["pairs"]) == 8
    assert "## Leaks between splits" in page
    assert "figures/suspects.png" in page
    assert len((out / "tables" / "suspects.csv").read_text().splitlines()) == 9


def test_what_was_found_is_kept_beside_the_data_set(leaking: tuple[Store, Run]) -> None:
    """So a store that keeps only results still knows; a damaged record is found anew."""
    store, run = leaking
    run_data, kept = read_run_data(store, run), store.leaks_path(run.data)
    looked = kept.exists()
    keep_leaks(store, run_data)
    kept_text = kept.read_text()
    kept.write_text("{")
    again = read_run_data(store, run)
    keep_leaks(store, again)
    store.images_path(run.data).unlink()
    again_text, without_pixels = kept.read_text(), read_run_data(store, run).leaks
    kept.unlink()
    unknown = read_run_data(store, run).leaks

    assert unknown is not None
    assert not looked
    assert (again.leaks, kept_text) == (run_data.leaks, again_text)
    assert without_pixels is not None
    assert without_pixels.kept
    assert len(without_pixels.pairs) == 8
    assert (unknown.pairs, unknown.unseen) == ((), leaks.NO_PIXELS)
    assert not kept.exists()


def test_nobody_is_warned_where_there_are_no_suspects(tmp_path: Path) -> None:
    """The section on the data says so."""
    store, run = fill_store(tmp_path, backbones=["vgg16"], classes=CLASSES, periods=1)
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    report = ReportData(run_data, analysis, Gallery(run_data))

    assert not any("suspect" in line for line in cautions.cautions(run_data, analysis))
    assert leaks_section.section(report) is None
    assert "No suspects among 14 test images" in data_set.section(report).lead


def test_where_every_test_image_is_suspected_nothing_is_left(leaking: tuple[Store, Run]) -> None:
    """It is said, and nothing is computed on no image."""
    store, run = leaking
    stored = np.load(store.images_path(run.data))
    stored[:] = stored[0]
    np.save(store.images_path(run.data), stored)
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)

    assert analysis.without_suspects is None
    assert any("no test image is left" in line for line in cautions.cautions(run_data, analysis))
