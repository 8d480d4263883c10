"""Runs are compared image by image where their test images are the same, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from support.compared_runs import MODERN, PROBE, Scene, compare, rate

from jobs.store.tables import MANIFEST
from orchestrator.analysis.run_data import RunData


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A store for the runs of this module."""
    return Scene(tmp_path_factory.mktemp("runs") / "store")


@pytest.fixture(scope="module")
def single(scene: Scene) -> RunData:
    """A run of one trial."""
    return scene.run("single", rate(0.003))


def test_presets_on_the_same_test_images_are_paired_and_the_preparation_is_named(
    scene: Scene,
) -> None:
    """Modern keeps a margin for random crops, so its data set has another name."""
    probe, modern = scene.run("probe", PROBE), scene.run("modern", MODERN)
    both = compare(probe, modern)

    assert probe.run.data != modern.run.data
    assert both.pairs() == [("probe", PROBE, "modern", MODERN)]
    assert both.facts["across"][0]["images"] == probe.test_images
    assert both.facts["test_images"] == [
        {
            "runs": ["probe", "modern"],
            "images": probe.test_images,
            "differences": {"margin": {"probe": False, "modern": True}},
            "shared": {},
        }
    ]
    assert "the same 26 images, but their data differ: margin for random crops false in" in (
        both.cautions
    )
    assert "test images differ" not in both.cautions


def test_another_size_of_the_same_images_is_a_setting(scene: Scene, single: RunData) -> None:
    """Rows are told apart by it, and paired."""
    both = compare(single, scene.run("large", rate(0.003), image_size=96))

    assert both.pairs() == [("single", {"image_size": 64}, "large", {"image_size": 96})]
    assert both.facts["test_images"][0]["differences"] == {
        "image_size": {"single": 64, "large": 96}
    }


def test_other_test_images_are_not_paired_and_the_report_says_how_many_are_shared(
    scene: Scene, single: RunData
) -> None:
    """Another split of the same images shares some; the network keeps one row."""
    other = scene.run("other", {**rate(0.003), "split_seed": 1})
    both = compare(single, other)
    rows = both.table("accuracy").rows

    assert both.facts["across"] == []
    assert [one["shared"] for one in both.facts["test_images"]] == [{"other": 0}, {"single": 0}]
    assert "single on 26 images; other on 24 (0 in common with single)" in both.cautions
    assert [row[0] for row in rows] == ["SqueezeNet"]
    assert "–" not in rows[0]


def with_manifest(run_data: RunData, name: str, **columns: Any) -> RunData:
    """The run and its data under another name, with these columns of its images changed."""
    assert run_data.manifest is not None
    rows = [
        {**row, **{key: change(row) for key, change in columns.items()}}
        for row in run_data.manifest.to_pylist()
    ]
    run = replace(run_data.run, name=name, data=f"{name}-data")
    return replace(run_data, run=run, manifest=pa.Table.from_pylist(rows, schema=MANIFEST))


def test_equal_names_of_other_images_are_other_images(single: RunData) -> None:
    """What counts is the contents of the files, and the class."""
    others = with_manifest(single, "others", sha256=lambda row: row["sha256"][::-1])
    relabelled = with_manifest(single, "relabelled", label=lambda row: row["label"] + "s")

    for each in (others, relabelled):
        assert compare(single, each).facts["across"] == []
        assert "(0 in common with single)" in compare(single, each).cautions


def test_the_same_images_under_another_name_are_no_difference(
    scene: Scene, single: RunData
) -> None:
    """A copied folder: one row, and nothing that is held against it."""
    copy = scene.run("copy", {**rate(0.003), "data": str(scene.root / "pictures")})
    both = compare(single, copy)

    assert copy.run.trials != single.run.trials
    assert [row[0] for row in both.table("accuracy").rows] == ["SqueezeNet"]
    assert [one["runs"] for one in both.facts["standings"]] == [["single"], ["copy"]]
    assert (both.facts["across"], both.cautions) == ([], "")


def test_other_training_images_are_a_difference_of_the_data(scene: Scene) -> None:
    """The tests are on the same images; the data sets tell the rows apart."""
    more, less = (
        scene.run(name, classes=("ape", "bear"), images_a_class=count)
        for name, count in (("more", 37), ("less", 36))
    )
    both = compare(more, less)

    assert both.pairs() == [("more", {"data": more.run.data}, "less", {"data": less.run.data})]
    assert both.facts["test_images"][0]["differences"] == {
        "training_images": {"more": 59, "less": 57}
    }
    assert "training and validation images 59 in more, 57 in less." in both.cautions
