"""A report says which network was trained in micro-batches because memory ran out, and what that
means.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.fakes import fill_store

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from support.told_reports import told_report

from jobs import atomic
from jobs.task import Task

SPLITS = [{"epoch": 3, "step": 12, "parts": 2}, {"epoch": 4, "step": 1, "parts": 4}]


@pytest.mark.parametrize("split", [True, False])
def test_a_training_in_micro_batches_is_told_and_one_in_whole_batches_is_not(
    tmp_path: Path, split: bool
) -> None:
    """In the table of networks, in JSON, and as a caution below the headline; so are precisions."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch", "vgg16"],
        classes=("ape", "bear"),
        periods=2,
        pixels=False,
    )
    trial = next(name for name in run.trials if name.startswith("vgg16"))
    done = store.done_path(Task("train", trial, 4))
    atomic.write_json(
        done,
        json.loads(done.read_text())
        | {"micro_batches": SPLITS if split else [], "precision": "fp32" if split else "bf16"},
    )
    page, told, _ = told_report(store, run)
    said = "trained in 4 micro-batches since epoch 3 (out of memory)"
    training = {entry["name"]: entry["training"] for entry in told["trials"]}

    assert (said in page) == split
    assert ("whole batches" in page) == split
    assert (
        any(f"VGG16 (seed 0) was {said}" in caution for caution in told["answer"]["cautions"])
        == split
    )
    assert (
        any("(bf16: Scratch; fp32: VGG16)" in caution for caution in told["answer"]["cautions"])
        == split
    )
    assert training[trial]["micro_batches"] == (SPLITS if split else [])
