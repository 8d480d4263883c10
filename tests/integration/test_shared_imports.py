"""`orch worker --device all` loads torch once: fork servers of its workers are forks of it."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from workers.process import shared_imports

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux ends children itself"
)

WORK = """
import os, time
LOADED_BY = os.getpid()

def main(order, tell, should_stop):
    if os.path.exists(order["store"] + "/hang"):
        tell({"phase": "train"})
        time.sleep(600)
    mask = os.umask(0o77)
    return {"loaded_by": LOADED_BY, "child": os.getpid(), "server": os.getppid(),
            "gpu": os.environ["CUDA_VISIBLE_DEVICES"], "umask": mask, "files": {}}
"""
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from orchestrator.local.supervisor import SupervisedWorker
from workers.process import shared_imports

folder = Path(sys.argv[1])
imports = shared_imports.load({"OMP_NUM_THREADS": "1"}, ["work", *shared_imports.MODULES[1:]])
workers = []
for gpu in ("GPU-a", "GPU-b"):
    words = [sys.executable, str(folder / "worker.py"), str(folder / gpu), gpu]
    workers.append(SupervisedWorker(gpu, words, folder / f"{gpu}.log"))
    workers[-1].start(os.environ, 0.0, imports is not None)
print(os.getpid(), *(each.process.pid for each in workers), flush=True)
time.sleep(600)
"""
WORKER = """
import json, os, sys
from jobs.task import TaskRequest
from workers.process import child

folder, gpu = sys.argv[1:]
os.makedirs(folder)
os.environ["CUDA_VISIBLE_DEVICES"] = gpu
os.umask(0o027)
child.CHILD_ENTRY = "work:main"
child.start_fork_server()
request = TaskRequest("train.scratch-s0-12345678.0001", folder, "t1", folder, 1, "cpu", 1, None)
for line in open(folder + ".asked"):
    at = (request, folder + "/log", print, lambda: False, lambda: True)
    said = child.run(*at, entry="work:main")
    said |= {"worker": os.getpid(), "torch": "torch" in sys.modules or "work" in sys.modules}
    with open(folder + ".said", "a") as file:
        print(json.dumps(said), file=file)
"""


def until(true: Callable[[], bool], timeout_s: float) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Room:
    """A supervisor with two workers, which run a task for each line that they are sent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, program in (("work", WORK), ("room", SUPERVISOR), ("worker", WORKER)):
            (folder / f"{name}.py").write_text(program)
        for gpu in ("GPU-a", "GPU-b"):
            os.mkfifo(folder / f"{gpu}.asked")
        self.lines: dict[str, Any] = {}
        path = os.pathsep.join([str(folder), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "room.py"), str(folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.pid, *self.workers = map(int, self.process.stdout.readline().split())

    def ask(self, gpu: str) -> None:
        """Let a worker run a task."""
        if gpu not in self.lines:
            self.lines[gpu] = (self.folder / f"{gpu}.asked").open("w")
        print("run", file=self.lines[gpu], flush=True)

    def said(self, gpu: str, count: int = 1) -> dict[str, Any]:
        """What the task with this number has said."""
        self.ask(gpu)
        path = self.folder / f"{gpu}.said"
        until(lambda: path.exists() and path.read_text().count("\n") == count, 30)
        last: dict[str, Any] = json.loads(path.read_text().splitlines()[-1])
        return last


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """The collector looks at all objects of this process again."""
    yield
    gc.unfreeze()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room that is closed afterwards."""
    made = Room(tmp_path)
    yield made
    family = psutil.Process(made.pid).children(recursive=True)
    for each in [made.process, *family]:
        each.kill()
    made.process.wait(10)


def test_each_task_is_a_fresh_process_pinned_to_the_gpu_of_its_worker(room: Room) -> None:
    """What the supervisor has imported is there; the worker itself has none of it."""
    said = {gpu: room.said(gpu) for gpu in ("GPU-a", "GPU-b")}
    again = room.said("GPU-a", 2)

    assert {gpu: each["gpu"] for gpu, each in said.items()} == {"GPU-a": "GPU-a", "GPU-b": "GPU-b"}
    assert {each["loaded_by"] for each in said.values()} == {room.pid}
    assert {each["worker"] for each in said.values()} == {*room.workers}
    assert not any(each["torch"] for each in said.values())
    assert {each["umask"] for each in said.values()} == {0o027}
    assert again["server"] == said["GPU-a"]["server"]
    assert again["child"] != said["GPU-a"]["child"]


def test_a_fork_server_that_dies_is_replaced_by_one_that_loads_anew(room: Room) -> None:
    """The other worker's is left alone."""
    first, other = room.said("GPU-a"), room.said("GPU-b")
    os.kill(first["server"], signal.SIGKILL)
    second, after = room.said("GPU-a", 2), room.said("GPU-b", 2)

    assert second["server"] != first["server"]
    assert second["loaded_by"] not in (room.pid, first["loaded_by"])
    assert second["gpu"] == "GPU-a"
    assert after["server"] == other["server"]


def test_a_worker_that_is_killed_takes_its_processes_along_and_no_others(room: Room) -> None:
    """Its fork server is its own child, so the kernel ends it with the worker."""
    first, other = room.said("GPU-a"), room.said("GPU-b")
    (room.folder / "GPU-a" / "hang").touch()
    room.ask("GPU-a")
    server = psutil.Process(first["server"])
    until(lambda: bool(server.children()), 10)
    family = [server, *server.children()]
    os.kill(first["worker"], signal.SIGKILL)
    until(lambda: not any(map(runs, family)), 10)

    assert server.pid != other["server"]
    assert room.said("GPU-b", 2)["server"] == other["server"]


def runs(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_files_that_were_replaced_are_no_longer_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade a worker must not meet children of the version before."""
    (tmp_path / "replaced_by_an_upgrade.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    imports = shared_imports.load({}, ["replaced_by_an_upgrade"])
    assert imports is not None
    before = imports.current()
    (tmp_path / "replaced_by_an_upgrade.py").write_text("A = 2  # another\n")

    assert before
    assert not imports.current()


def test_what_cannot_be_imported_is_left_to_each_worker(caplog: pytest.LogCaptureFixture) -> None:
    """The supervisor goes on: each worker says what is missing, and how to install it."""
    caplog.set_level(logging.WARNING)

    assert shared_imports.load({}, ["no_such_package_of_torch"]) is None
    assert "each worker loads torch itself: ModuleNotFoundError" in caplog.text
