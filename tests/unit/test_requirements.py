"""`requires: {gpu_memory: 20GB}`: part of no name, told where nobody fits, never in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import plan, readiness
from jobs.data.data_source import built_in
from jobs.errors import BadSpec
from jobs.spec import model, recorded_requirements
from jobs.store.requirements import gpu_memory_needed
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.monitoring import fitting
from orchestrator.monitoring.heartbeats import Heartbeat
from orchestrator.submission import fitting as at_submit
from orchestrator.submission.run_creation import create_run
from workers.scheduling import rebalance
from workers.scheduling.rebalance import ActiveTraining, Peer

GB = 10**9
BOTH = ("scratch", "squeezenet")


def entry(name: str, memory: str) -> dict[str, Any]:
    """An entry of `backbones` that requires this."""
    return {"name": name, "requires": {"gpu_memory": memory}}


def spec(**asked: Any) -> model.Spec:
    """A small run of two backbones."""
    return model.build({"backbones": list(BOTH), "periods": 1, "epochs_per_period": 1, **asked})


def alive(memory_bytes: int, **more: Any) -> Heartbeat:
    """A living worker on a GPU of this memory; 0: on a processor."""
    device = "cuda:0" if memory_bytes else "cpu"
    return Heartbeat("w", "far", 1, device, None, 1.0, gpu_memory_bytes=memory_bytes, **more)


def test_a_network_or_a_whole_run_requires_memory() -> None:
    """A network's own requirement comes before the run's."""
    asked = spec(backbones=[entry("scratch", "1.5GiB"), "squeezenet"], requires="gpu_memory=20GB")

    assert asked.gpu_memory_of("scratch") == int(1.5 * 2**30)
    assert asked.gpu_memory_of("squeezenet") == 20 * GB
    assert spec(requires="none").gpu_memory_of("scratch") == 0
    assert model.Spec(**asked.model_dump(mode="json")) == asked


def test_a_specification_file_may_hold_both(tmp_path: Path) -> None:
    """As mappings, also inside an entry."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "backbones: [{name: scratch, requires: {gpu-memory: 20GB}}, squeezenet]\n"
        "requires: {gpu_memory: 8GB}\n"
    )
    asked = model.build(model.read_file(path))

    assert [asked.gpu_memory_of(name) for name in BOTH] == [20 * GB, 8 * GB]


def test_names_do_not_depend_on_it() -> None:
    """Trials, data sets and runs are the same: submitting again continues them."""
    plain = spec()
    for asked in (
        spec(requires={"gpu_memory": "20GB"}),
        spec(backbones=[entry("scratch", "20GB"), "squeezenet"]),
    ):
        there, here = plan.unfold(plain, "d"), plan.unfold(asked, "d")

        assert (here.run, here.trials, here.tasks) == (there.run, there.trials, there.tasks)


@pytest.mark.parametrize(
    "given",
    [
        *("20GB", "gpu_memory", "gpu_memory=20", "gpu_memory=0GB", "gpu_memory=-1GB", "ram=20GB"),
        *({"gpu_memory": 20}, {"gpu_memory": None}, {"memory": "20GB"}, {}, [], True, 20),
    ],
)
def test_a_wrong_value_is_refused_with_an_example(given: Any) -> None:
    """For a run and for a network, in one line that names the key."""
    with pytest.raises(BadSpec, match=r"^requires: .*gpu_memory"):
        spec(requires=given)
    with pytest.raises(BadSpec, match=r"^backbones: scratch: requires: .*gpu_memory: 20GB"):
        spec(backbones=[{"name": "scratch", "requires": given}])


def test_the_run_that_requires_most_decides_until_it_is_cancelled(tmp_path: Path) -> None:
    """Two runs share a trial; preparing its images requires nothing."""
    store = Store(tmp_path).open(create=True)
    run = create_run(store, spec(name="a", requires="gpu_memory=20GB"), built_in("digits"))
    create_run(store, spec(name="b", requires="gpu_memory=8GB"), built_in("digits"))
    task = Task("train", run.trials[0], 1)

    assert gpu_memory_needed(store, task) == 20 * GB
    assert gpu_memory_needed(store, Task("prepare", run.data)) == 0
    store.cancel("a")
    assert gpu_memory_needed(store, task) == 8 * GB


def test_what_waits_is_told_with_the_largest_worker(tmp_path: Path) -> None:
    """Not of networks that are done, and not where a worker fits."""
    store = Store(tmp_path).open(create=True)
    asked = spec(backbones=[entry("scratch", "20GB"), "squeezenet"])
    run = create_run(store, asked, built_in("digits"))
    states = readiness.task_states(store, run)
    told = "scratch needs 20 GB of GPU memory; the largest live worker has 16 GB"

    for described in (run, store.outline(run.name)):
        assert fitting.unfit(store, described, states, [alive(8 * GB), alive(16 * GB)]) == (told,)
        assert fitting.unfit(store, described, states, [alive(24 * GB), alive(0)]) == ()
        assert "no live worker has a GPU" in fitting.unfit(store, described, states, [alive(0)])[0]
        assert fitting.unfit(store, described, dict.fromkeys(states, "done"), [alive(0)]) == ()
    drained = [alive(80 * GB, drained="far"), alive(16 * GB)]
    assert fitting.unfit_of_store(store, drained) == {run.name: (told,)}


def test_a_run_that_waits_for_what_another_one_requires_says_so(tmp_path: Path) -> None:
    """The other run shares its trial; until it is cancelled."""
    store = Store(tmp_path).open(create=True)
    create_run(store, spec(name="a", requires="gpu_memory=20GB"), built_in("digits"))
    run = create_run(store, spec(name="b"), built_in("digits"))
    states = readiness.task_states(store, run)
    told = fitting.unfit_by_others(store, states, [alive(16 * GB)])

    assert "scratch needs 20 GB of GPU memory; the largest live worker has 16 GB (" in told[0]
    assert fitting.unfit(store, run, states, [alive(16 * GB)]) == ()
    assert fitting.unfit_by_others(store, states, [alive(24 * GB)]) == []
    store.cancel("a")
    assert fitting.unfit_by_others(store, states, [alive(16 * GB)]) == []


def test_ready_tasks_that_fit_nobody_are_counted(tmp_path: Path) -> None:
    """For the metrics; a cancelled run requires nothing."""
    store = Store(tmp_path).open(create=True)
    run = create_run(store, spec(requires="gpu_memory=20GB"), built_in("digits"))
    outlines, ready = [store.outline(run.name)], [run.tasks[0], f"train.{run.trials[0]}.0001"]

    def counted(*workers: Heartbeat) -> list[str]:
        return fitting.unfit_tasks(store, outlines, store.ledger(), ready, workers)

    assert counted(alive(16 * GB)) == ready[1:]
    assert counted(alive(20 * GB)) == []
    store.cancel(run.name)
    assert counted(alive(16 * GB)) == []


def test_submitting_warns_where_no_worker_is_alive(tmp_path: Path) -> None:
    """The run is recorded all the same."""
    from orchestrator.local.stack import Stack

    store = Store(tmp_path).open(create=True)
    run = create_run(store, spec(requires="gpu_memory=20GB"), built_in("digits"))
    lines = at_submit.warnings(store, run, Stack(None, ()))

    assert lines[0].startswith("scratch needs 20 GB of GPU memory, and no worker is alive")
    assert at_submit.warnings(store, replace(run, spec=spec()), Stack(None, ())) == []


def peer(name: str, speed: float, memory: int, training: ActiveTraining | None = None) -> Peer:
    """A worker with this speed and memory."""
    return Peer(name, {"vgg16@224": speed}, training is not None, training, gpu_bytes=memory)


def waiting(number: int, needs_bytes: int = 0, images: float = 20_000.0) -> ActiveTraining:
    """A training that waits."""
    return ActiveTraining(f"train.vgg16-s{number}-1.0010", "vgg16@224", images, needs_bytes)


def test_a_training_goes_to_the_fastest_idle_worker_that_fits() -> None:
    """A training that fits nobody holds up no other."""
    peers = [peer("fast", 100.0, 16 * GB), peer("slow", 10.0, 24 * GB)]
    trainings = [waiting(0, 80 * GB, 90_000.0), waiting(1, 20 * GB, 50_000.0), waiting(2)]

    assert rebalance.assign_trainings(peers, trainings) == {
        trainings[1].task: "slow",
        trainings[2].task: "fast",
    }


@pytest.mark.parametrize("needs_bytes", [0, 20 * GB])
def test_a_faster_worker_that_does_not_fit_takes_nothing_over(needs_bytes: int) -> None:
    """Nor does one hand over a training in exchange that the other may not take."""
    slow = peer("slow", 10.0, 24 * GB, waiting(0, needs_bytes))
    made = rebalance.reassignments([peer("fast", 100.0, 16 * GB), slow])
    small = peer("slow", 10.0, 8 * GB, waiting(0))
    busy = peer("fast", 100.0, 24 * GB, waiting(1, 20 * GB, 15_000.0))

    assert [each.taker for each in made] == ([] if needs_bytes else ["fast"])
    assert rebalance.reassignments([busy, small]) == []


def test_records_that_cannot_be_read_require_nothing() -> None:
    """Status must not fail on them."""
    for settings in ({}, {"requires": 7}, {"requires": {"gpu_memory": 7}}, {"networks": [1]}):
        assert recorded_requirements.recorded_bytes(settings, "scratch") == 0
