"""Networks outside the catalog cost what was counted when they were submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import plan
from jobs.catalog.backbones import TYPICAL_COST
from jobs.data import sources
from jobs.spec import model
from jobs.spec.networks import STUDY, Network
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring.status import run_status
from orchestrator.submission.run_creation import create_run


def test_a_large_network_outside_the_catalog_begins_before_a_small_one(
    animal_folder: Path, tmp_path: Path
) -> None:
    """In the queue, in the order of trials, and in the estimate of the time left."""
    large, small = "timm:large", "timm:small"
    asked = {"backbones": f"{small},squeezenet,{large}", "data": str(animal_folder)}
    spec = model.build(asked | STUDY.model_dump()).with_native(
        {large: Network(relative_cost=20.0), small: Network(relative_cost=0.5)}
    )
    store = Store(tmp_path / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    tasks = [Task("train", trial, 1) for trial in run.trials]
    costs = [plan.cost_of(store, task) for task in tasks]

    assert costs == [20.0, 1.5, 0.5]
    assert [plan.priority(*each) for each in zip(tasks, costs, strict=True)] == [2, 8, 9]
    assert run_status(store, run).costs == {large: 20.0, "squeezenet": 1.5, small: 0.5}


def test_costs_compare_networks_of_a_run_whatever_the_size_of_its_images() -> None:
    """With images of 64 px for all, a counted cost stands beside the catalog's of 224 px."""
    equal = Network(relative_cost=9.0 * (64 / 224) ** 2)
    asked = {"backbones": "resnet34,timm:equal,timm:unknown"} | STUDY.model_dump()
    spec = model.build(asked | {"image_size": 64}).with_native({"timm:equal": equal})

    assert plan.relative_cost(spec, "resnet34") == pytest.approx(9.0)
    assert plan.relative_cost(spec, "timm:equal") == pytest.approx(9.0)
    assert plan.relative_cost(spec, "timm:unknown") == pytest.approx(TYPICAL_COST)
    assert plan.image_cost(spec, "timm:unknown") == pytest.approx(TYPICAL_COST * (64 / 224) ** 2)
