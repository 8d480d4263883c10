"""A real worker, broker and store whose children only pretend: it is ready within a second.

`python -m support.quick_worker STORE BROKER_URL NAME SECONDS [BYTES [SLOTS]]` is `orch worker`
whose tasks take SECONDS each, as if its GPU had BYTES of memory.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.errors import Stopped
from jobs.settings import Settings
from jobs.task import Task
from workers import main
from workers.process import child
from workers.worker import Worker

ENTRY = "support.quick_worker:work"
SECONDS = "QUICK_WORK_SECONDS"


def work(
    order: dict[str, Any], tell: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """A child's work: wait, then publish one small file."""
    until = time.monotonic() + float(os.environ[SECONDS])
    while time.monotonic() < until:
        if should_stop():
            raise Stopped("asked to stop")
        time.sleep(0.02)
    task = Task.parse(order["task"])
    (Path(order["work_folder"]) / "out.txt").write_text(task.id)
    return {"files": {"out.txt": f"results/out/{task.id}.txt"}, "epoch": task.epoch}


def run(
    store: str, broker_url: str, name: str, seconds: str, memory: str = "0", slots: str = "1"
) -> int:
    """Run the worker until it is asked to stop; its exit code."""
    os.environ[SECONDS] = seconds
    child.CHILD_ENTRY = ENTRY
    child.warm = functools.partial(child.warm, entry=ENTRY)
    main.memory.gpu_bytes = lambda device: int(memory)
    main.Worker = functools.partial(Worker, entry=ENTRY)  # type: ignore[misc]
    settings = Settings(Path(store), broker_url, None)
    return main.run(settings, broker_url, device="cpu", name=name, slots=int(slots))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
