"""A worker that dies takes all its processes with it, even a child whose threads are blocked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workers.process import parent_death

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux ends children itself"
)

HOLDER = """
import sys
from pathlib import Path
from jobs.task import TaskRequest
from workers.process import child

def main():
    child.CHILD_ENTRY = "support.fake_work:main"  # the fork server need not load torch
    child.start_fork_server()
    folder = sys.argv[1]
    order = TaskRequest("train.scratch-s0-12345678.0001", folder, "t1", folder, 1, "cpu", 1, None)
    say = lambda message: Path(folder, "heard").touch()
    entry = child.CHILD_ENTRY
    child.run(order, Path(folder, "log"), say, lambda: False, lambda: True, entry=entry)

if __name__ == "__main__":
    main()
"""


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Running processes; a zombie is not one."""
    return [
        each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE
    ]


def until(condition: object, timeout_s: float) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("behave", ["grip", "hang"])
def test_a_worker_killed_leaves_no_child_behind_though_it_hangs_in_c(
    tmp_path: Path, behave: str
) -> None:
    """`grip` sleeps in C and keeps Python's global lock, so no thread of the child could end it."""
    (tmp_path / "behave").write_text(behave)
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    holder = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    began = until((tmp_path / "heard").exists, 60)
    time.sleep(0.3)
    family = psutil.Process(holder.pid).children(recursive=True)
    working = [each for each in family if each.ppid() != holder.pid]
    before = alive(working)
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    gone = until(lambda: not alive(family), 5)
    for left in alive(family):
        left.kill()

    assert began
    assert len(before) == 1
    assert gone


def test_a_process_is_tied_to_its_parent() -> None:
    """The kernel keeps the setting."""
    program = (
        "import ctypes; from workers.process import parent_death; "
        "print(parent_death.die_with_parent());told = ctypes.c_int(); ctypes.CDLL(None).prctl(2, "
        "ctypes.byref(told)); print(told.value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )

    assert done.stdout.split() == ["True", str(int(signal.SIGKILL))]
    assert parent_death.PR_SET_PDEATHSIG == 1
