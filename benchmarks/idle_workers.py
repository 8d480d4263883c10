"""Memory of idle workers, one a GPU: `python benchmarks/idle_workers.py`.

Starts `orch worker --device all` on a new store with the embedded Redis, waits until every worker
takes tasks, and adds up the proportional set size (PSS, smaps_rollup) of the supervisor and all
that it started. The GPUs are a stand-in's: idle workers do not touch them. Goal: eight below 2 GB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import common
from jobs.settings import Settings
from orchestrator.local import stack
from workers.devices import device_lock

PATIENCE_S = 300.0
SETTLE_S = 6.0
"""Seconds after which a worker has made its first rounds."""
KINDS = {"resource_tracker": "helper of multiprocessing", "redis-server": "Redis"}
DRIVER = """#!/bin/sh
case "$*" in
-L) cat <<'END'
{listing}
END
;;
*query-gpu=uuid*) for word in "$@"; do case $word in --id=*) echo "${{word#--id=}}" ;; esac; done ;;
*query-gpu=name*) echo "NVIDIA stand-in" ;;
*query-gpu=memory*) echo 81559 ;;
*) exit 6 ;;
esac
"""


def main() -> int:
    """Measure, print the table and the goal, and return the exit code."""
    options = _parse_options()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="orch-idle-") as folder,
        _workers(Path(folder), options.workers) as supervisor,
    ):
        _await_idle(Path(folder) / "store", supervisor, options.workers)
        ready_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        memory = _memory(psutil.Process(supervisor.pid))
    total_gb = sum(sum(each) for each in memory.values()) / 1e9
    rows = [
        [kind, str(len(each)), f"{max(each) / 1e6:.0f}", f"{sum(each) / 1e6:.0f}"]
        for kind, each in memory.items()
    ]
    rows.append(["all", str(sum(map(len, memory.values()))), "", f"{total_gb * 1e3:.0f}"])
    return common.publish(
        f"Memory of {options.workers} idle workers (all take tasks after {ready_s:.0f} s)",
        common.table(["process", "number", "largest, MB", "PSS in all, MB"], rows),
        [common.Goal("GB in all", total_gb, 2.0, at_most=True)],
        {"memory_bytes": memory, "ready_s": ready_s},
        options.json,
        options.check,
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=8, help="GPUs  [default: 8]")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the goal is missed")
    return parser.parse_args()


@contextlib.contextmanager
def _workers(folder: Path, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor with this many workers; stopped afterwards, with its Redis."""
    gpus = [f"GPU-{secrets.token_hex(4)}-{number:04d}" for number in range(count)]
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    listing = "\n".join(f"GPU {n}: NVIDIA stand-in (UUID: {gpu})" for n, gpu in enumerate(gpus))
    program.write_text(DRIVER.format(listing=listing))
    program.chmod(0o755)
    environment = dict(os.environ) | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "ORCH_STORE": str(folder / "store"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    environment.pop("ORCH_BROKER_URL", None)
    words = [sys.executable, "-m", "orchestrator.cli", "worker", "--device", "all"]
    with (folder / "log").open("wb") as log:
        supervisor = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
    try:
        yield supervisor
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(60)
        os.environ["XDG_STATE_HOME"] = environment["XDG_STATE_HOME"]
        stack.down(Settings(store=folder / "store", broker_url=None, weights_dir=None))
        for gpu in gpus:
            (device_lock.SHARED_MEMORY / f"orch-gpu-{gpu}.lock").unlink(missing_ok=True)


def _await_idle(store: Path, supervisor: subprocess.Popen[bytes], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        beats = []
        for path in (store / "workers").glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                beats.append(json.loads(path.read_text()))
        if sum(not each["loading"] for each in beats) == count:
            return
        log = (store.parent / "log").read_text(errors="replace")
        if supervisor.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the workers did not become ready:\n{log}")
        time.sleep(0.5)


def _memory(supervisor: psutil.Process) -> dict[str, list[int]]:
    """PSS in bytes of every process of the supervisor, by what it is."""
    memory: dict[str, list[int]] = defaultdict(list)
    for process in [supervisor, *supervisor.children(recursive=True)]:
        words = " ".join(process.cmdline())
        kind = next((name for word, name in KINDS.items() if word in words), "fork server")
        if process == supervisor:
            kind = "supervisor"
        elif process.ppid() == supervisor.pid and kind == "fork server":
            kind = "worker"
        memory[kind].append(process.memory_full_info().pss)
    return dict(memory)


if __name__ == "__main__":
    sys.exit(main())
