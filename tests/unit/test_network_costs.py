"""Networks outside the catalog cost what was counted when they were submitted."""

from __future__ import annotations

from pathlib import Path

from jobs import plan
from jobs.data import sources
from jobs.spec import model
from jobs.spec.networks import STUDY, Network
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring.status import run_status
from orchestrator.submission.submit import create_run


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
