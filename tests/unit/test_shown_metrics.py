"""Metrics that say nothing about the classes of a run are in no table of its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_images import ANIMALS
from support.fakes import fill_store

from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report.page import assemble, markdown
from orchestrator.report.sections import result_tables


@pytest.mark.parametrize(("classes", "shown"), [(5, False), (6, True)])
def test_top_5_accuracy_is_shown_from_six_classes_on(
    tmp_path: Path, classes: int, shown: bool
) -> None:
    """With five every image is right; the values stay in the data tables."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34", "vgg16"],
        classes=ANIMALS[:classes],
        periods=1,
        pixels=False,
        name="study",
    )
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    table = result_tables.every_metric(run_data, 1)
    assert table is not None
    meanings = [row[0] for row in result_tables.meanings(len(run_data.classes)).rows]
    page_text = markdown(assemble(run_data, analysis))

    assert ("Top-5 accuracy" in table.head) == ("Top-5 accuracy" in meanings) == shown
    assert ("among first 5" in page_text) == shown
    assert set(analysis.top) == {"resnet34", "vgg16"}
