"""Three hosts in a network of their own: whatever befalls them, a run ends as a calm one does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from support.harness import Lab, digests, redis_binary, rows
from support.hosts import Host, Network, NotAllowed, inside
from support.preloaded import Kind

from jobs.store.runs import Run
from jobs.task import Task
from workers.lease_expiry import TTL_S

pytestmark = [
    pytest.mark.long,
    pytest.mark.whole,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here"),
]

AWAY_S = TTL_S + 4
"""Longer than a lease lasts and than any connection to Redis waits."""
BACK_S = 15.0
STUDY = (
    *("--backbone", "squeezenet", "--seeds", "2", "--periods", "4", "--epochs-per-period", "3"),
    *("--image-size", "32", "--weights", "none", "--batch-size", "16", "--precision", "fp32"),
    "--no-workers",
)


@dataclass
class Site:
    """Redis on a host of its own, hosts with a worker each, and the store that they share."""

    lab: Lab
    network: Network
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = self.network.host("desk")
        binary, folder = redis_binary(), self.lab.folder / "redis"
        folder.mkdir()
        words = [str(binary), "--bind", self.desk.address, "--protected-mode", "no", "--save", ""]
        self.desk.start([*words, "--dir", str(folder)], folder / "redis.log")
        self.lab.broker_url = f"redis://{self.desk.address}:6379"
        self.lab.enter = self.desk.command(())
        self.gate = self.lab.folder / "gate"
        self.open(2)

    def open(self, epochs: int) -> None:
        """Let the trainings go on to this epoch."""
        self.gate.write_text(str(epochs))

    def add(self, name: str) -> Host:
        """A new host with a worker, named as such workers are by default."""
        host = self.network.host(name)
        kind = Kind(gate=str(self.gate), host=host.keeper.pid)
        self.workers[name] = self.lab.worker(kind=kind)
        return host

    def task(self, name: str) -> str | None:
        """What a host works on, by its heartbeat."""
        for path in (self.lab.store.root / "workers").glob(f"{name}-*.json"):
            with contextlib.suppress(OSError, ValueError):
                heartbeat = json.loads(path.read_text())
                assert heartbeat["host"] == name
                return str(heartbeat["task"] or ("loading" if heartbeat["loading"] else "idle"))
        return None

    def trains(self, name: str) -> str | None:
        """The training that a host is at."""
        task = self.task(name)
        return task if task and task.startswith("train.") else None

    def waits_at(self, name: str, epoch: int) -> bool:
        """Whether the training of a host has come to the gate at this epoch."""
        task = self.trains(name)
        if task is None or int(task[-4:]) < epoch:
            return False
        checkpoints = self.lab.store.checkpoints_folder(Task.parse(task).subject)
        return any(checkpoints.glob(f"e{epoch:04d}*.json"))

    def log(self, name: str) -> str:
        """What the worker of a host has said."""
        number = list(self.workers).index(name)
        return (self.lab.folder / f"worker-{number}.log").read_text(errors="replace")

    def cut_off(
        self, host: Host, cut: Callable[[Host], None], epoch: int, hosts: tuple[str, ...]
    ) -> None:
        """While `host` is cut off for `AWAY_S` seconds, ant and bee train on to `epoch`, beyond the
        end of a period. Then each of `hosts` hears the broker again.
        """
        began = time.monotonic()
        cut(host)
        self.open(epoch)
        for name in ("ant", "bee"):
            self.lab.until(partial(self.waits_at, name, epoch), 60, f"epoch {epoch} on {name}")
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
        self.network.plug_in(host)
        for name in hosts:
            self.lab.until(partial(self.returned, name), BACK_S, f"the broker again on {name}")

    def returned(self, name: str) -> bool:
        """Whether each outage that a host has told of is over, and it has told of one."""
        said = self.log(name)
        return 0 < said.count("Work goes on") == said.count("the broker can be used again")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """An empty network; skips by name where it cannot be made."""
    try:
        made = Network(tmp_path)
    except NotAllowed as reason:
        pytest.skip(f"network namespaces are not allowed here: {reason}")
    yield made
    made.close()


def test_three_hosts_and_five_faults_change_nothing(
    network: Network, new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """A link lost, Redis out of reach, a host dead, one drained, one added: the tables are those of
    one worker that nobody disturbed.
    """
    asked = (*STUDY, "--data", str(animal_folder))
    calm, site = new_lab("calm"), Site(new_lab("hosts"), network)
    site.add("ant")
    site.add("bee")
    run = site.lab.submit(*asked)
    calm.worker()
    calm_run = calm.submit(*asked)
    code = disturb(site)
    states = site.lab.finished(run)
    calm.finished(calm_run)

    assert set(states.values()) == {"done"}
    assert code == 0
    assert site.workers["cat"].poll() is None
    assert digests(site.lab, run) == digests(calm, calm_run)
    for table in ("epochs", "evaluations", "predictions"):
        assert rows(site.lab, run, table) == rows(calm, calm_run, table)
    assert_told(site, run)


def disturb(site: Site) -> int:
    """Five faults, each while training is at work; the exit code of the worker that was drained."""
    lab, network = site.lab, site.network
    ant, bee = (network.hosts[name] for name in ("ant", "bee"))
    lab.until(lambda: site.waits_at("ant", 2) and site.waits_at("bee", 2), what="both at work")
    site.cut_off(ant, network.pull_cable, 5, ("ant",))
    site.add("cat")
    lab.until(lambda: site.task("cat") not in (None, "loading"), what="the added host")
    site.cut_off(site.desk, network.swallow, 8, ("ant", "bee", "cat"))
    lost = site.trains("bee")
    bee.die()
    lab.until(lambda: site.trains("cat") == lost, 60, "the dead host's training on another")
    inside(site.workers["ant"]).terminate()
    code = site.workers["ant"].wait(30)
    site.open(12)
    return code


def assert_told(site: Site, run: Run) -> None:
    """One warning an outage; the attempts say what became of each; the added host has worked."""
    attempts = rows(site.lab, run, "attempts")
    ends: dict[str, list[str]] = {name: [] for name in site.workers}
    for row in attempts:
        ends[row["worker"].split("-")[0]].append(row["state"])

    told = [site.log(name).count("Work goes on") for name in ("ant", "bee", "cat")]
    assert told in ([1, 1, 1], [2, 1, 1])  # an equal reason is not told twice within a minute
    assert ends["ant"].count("stopped") == 1
    assert ends["bee"].count("lost") == 1
    assert set(ends["cat"]) == {"done"}
    assert sum(states.count("lost") + states.count("failed") for states in ends.values()) == 1
