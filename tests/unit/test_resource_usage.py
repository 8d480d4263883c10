"""Resource usage of trainings, from their records: by trial, and in the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs import atomic
from jobs.store.records import TaskResult
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.analysis.resource_usage import ResourceUsage, resource_usage

GB = 1_000_000_000


def stretch(
    begun: float, end: int, joules: float | None = 100.0, memory: int = GB, device: str = "cuda (X)"
) -> Any:
    """The result of an attempt that trained from `begun` to `end`."""
    told = {"epoch": end, "measured_from": begun, "peak_memory_bytes": memory, "device": device}
    return told if joules is None else told | {"energy_joules": joules}


def results(outcomes: dict[int, Any]) -> dict[int, TaskResult]:
    """The records of these results."""
    return {epoch: TaskResult(**facts) for epoch, facts in outcomes.items()}


def test_periods_add_up_and_the_largest_peak_counts() -> None:
    """Later target epochs are not counted."""
    outcomes = {2: stretch(0, 2), 4: stretch(2, 4, 50.0, 2 * GB), 6: stretch(4, 6, 7.0, 3 * GB)}
    found = resource_usage(results(outcomes), 4)

    assert found == ResourceUsage(2 * GB, "gpu", 150.0, 4.0)


@pytest.mark.parametrize(
    ("outcomes", "joules", "epochs"),
    [
        ({2: stretch(0, 2), 4: stretch(3.25, 4)}, 200.0, 2.75),
        ({2: stretch(0, 2), 4: stretch(2, 4, None)}, 100.0, 2.0),
        ({2: stretch(0, 2), 4: stretch(0, 4)}, 100.0, 4.0),
        ({2: stretch(0, 2), 3: stretch(2, 2, 1.0), 4: stretch(2, 2, 1.0)}, 102.0, 2.0),
        ({4: stretch(0, 4, None)}, None, 0.0),
        ({}, None, 0.0),
    ],
    ids=[
        "taken up again",
        "not counted",
        "a mark that came later",
        "stopped early",
        "never counted",
        "nothing",
    ],
)
def test_energy_stands_for_the_epochs_it_was_counted_over(
    outcomes: Any, joules: Any, epochs: float
) -> None:
    """No epoch is counted twice, and none that no record covers."""
    found = resource_usage(results(outcomes), 4)

    assert (found.joules, found.epochs) == (joules, epochs)


def test_memory_of_a_gpu_is_told_before_that_of_a_process() -> None:
    """They are different measures, so the larger of the two means nothing."""
    found = resource_usage(results({1: stretch(0, 1, None, 9 * GB, "cpu"), 2: stretch(1, 2)}), 2)

    assert (found.memory_bytes, found.memory_of) == (GB, "gpu")


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 10**400, None])
@pytest.mark.parametrize("key", ["peak_memory_bytes", "energy_joules", "measured_from", "epoch"])
def test_a_number_that_cannot_be_one_is_as_if_it_were_absent(key: str, value: Any) -> None:
    """Whatever a record contains, the output is None or finite."""
    found = resource_usage(results({1: stretch(0, 1) | {key: value}}), 1)

    assert found.memory_bytes == (None if key == "peak_memory_bytes" else GB)
    assert found.joules == (100.0 if key == "peak_memory_bytes" else None)


def told(
    tmp_path: Path,
    outcomes: dict[str, dict[int, dict[str, Any]]],
    formats: Sequence[str],
    **asked: Any,
) -> tuple[str, list[Any], Path]:
    """Markdown, costs in JSON and the folder of a report on two networks, with facts added by
    network and target epoch.
    """
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    from support.told_reports import told_report

    from orchestrator.report import write

    store, run = fill_store(
        tmp_path / "store",
        backbones=["scratch", "vgg16"],
        classes=("ape", "bear"),
        pixels=False,
        images_a_class=10,
        periods=2,
        epochs_per_period=1,
        image_size=32,
        **asked,
    )
    for backbone, by_mark in outcomes.items():
        for mark, facts in by_mark.items():
            amend(store, run, backbone, mark, facts)
    page, facts, _ = told_report(store, run)
    write.write_report(store, run, tmp_path / "out", formats=formats)
    return page, facts["cost"], tmp_path / "out"


def amend(store: Store, run: Run, backbone: str, mark: int, facts: dict[str, Any]) -> None:
    """Add facts to the result of a network's training, for all seeds."""
    for trial in (name for name in run.trials if name.startswith(backbone)):
        path = store.done_path(Task("train", trial, mark))
        atomic.write_json(path, json.loads(path.read_text()) | facts)


def row(page: str, network: str) -> list[str]:
    """The cells of a network in the table of costs."""
    table = page[page.index("Peak memory |") :]
    line = next(line for line in table.splitlines() if line.startswith(f"| {network}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_report_tells_memory_and_energy_where_they_were_measured(tmp_path: Path) -> None:
    """VGG16 on a GPU, both periods counted; Scratch has no record of either; both seeds
    are alike.
    """
    used = {1: stretch(0, 1, 1.8e6), 2: stretch(1, 2, 1.8e6, 1_240_000_000)}
    page, costs, out = told(tmp_path, {"vgg16": used}, ("csv",), seeds=2)
    vgg = next(cost for cost in costs if cost["backbone"] == "vgg16")

    assert row(page, "VGG16")[-2:] == ["1.2 GB", "1.00"]
    assert row(page, "Scratch")[-2:] == ["–", "–"]
    assert (vgg["peak_memory_bytes"], vgg["memory_of"]) == (1_240_000_000, "gpu")
    assert (vgg["energy_kwh"], vgg["energy_share"]) == (1.0, 1.0)
    assert (
        "Peak memory: on a GPU, the maximum that torch held in tensors. kWh is the energy that NVML"
        in page
    )
    assert "some epochs are not counted" not in page
    assert "1240000000" in (out / "tables" / "cost.csv").read_text()


def test_energy_of_a_part_is_told_as_at_least_and_kinds_of_memory_apart(tmp_path: Path) -> None:
    """VGG16's second period was finished by an attempt that resumed it in the middle; Scratch ran
    on a CPU.
    """
    page, costs, out = told(
        tmp_path,
        {
            "vgg16": {1: stretch(0, 1, 360.0), 2: stretch(1.5, 2, 360.0)},
            "scratch": {2: stretch(1, 2, None, 412_000_000, "cpu")},
        },
        ("latex",),
    )

    assert row(page, "VGG16")[-2:] == ["1.0 GB (gpu)", "≥ 0.000200"]
    assert row(page, "Scratch")[-2:] == ["412 MB (process)", "–"]
    assert [cost["energy_share"] for cost in costs if cost["backbone"] == "vgg16"] == [0.75]
    assert "some epochs or features are not counted" in page
    assert r"$\geq$ 0.000200" in (out / "tables" / "cost.tex").read_text()


def test_a_report_without_any_measure_says_so(tmp_path: Path) -> None:
    """As for runs trained before it was recorded."""
    page, costs, _ = told(tmp_path, {}, ("json",))

    assert row(page, "VGG16")[-2:] == row(page, "Scratch")[-2:] == ["–", "–"]
    assert "Neither peak memory nor energy was recorded." in page
    assert {cost["energy_kwh"] for cost in costs} == {None}
