"""Draw `docs/watch.svg`: what `orch watch` shows of a real run with two workers.

`python docs/draw_watch.py` trains small networks on digits for a minute or two, on two workers of
this machine with a store and a Redis of their own. It draws the first look at which both train and
some networks have been tested.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from jobs.store.store import Store
from orchestrator.monitoring.status import RunStatus, run_status
from orchestrator.terminal import dashboard

PICTURE = Path(__file__).with_name("watch.svg")
ORCH = [sys.executable, "-P", "-m", "orchestrator.cli"]
STUDY = (
    *("--backbone", "scratch,squeezenet", "--seeds", "3", "--periods", "3"),
    *("--epochs-per-period", "2", "--weights", "none", "--image-size", "32", "--no-workers"),
)
WORKERS = ("gpu-node-1", "gpu-node-2")
PATIENCE_S = 600.0
COLUMNS, LINES = 110, 40
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> int:
    """Run, look, draw; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="orch-watch-") as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ORCH_")},
            "ORCH_STORE": str(Path(folder) / "store"),
            "XDG_STATE_HOME": str(Path(folder) / "state"),
        }
        made = subprocess.check_output([*ORCH, "submit", *STUDY, "--json"], env=environment)
        workers = [_worker(name, environment, Path(folder)) for name in WORKERS]
        try:
            status = _await(Store(Path(environment["ORCH_STORE"])), json.loads(made)["run"])
        finally:
            for each in workers:
                each.send_signal(signal.SIGTERM)
            for each in workers:
                each.wait(60)
            subprocess.run([*ORCH, "down"], env=environment, check=True)
    PICTURE.write_text(draw(status), encoding="utf-8")
    return 0


def draw(status: RunStatus) -> str:
    """The picture; without rich's web fonts, which a page would have to fetch."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(dashboard.draw_dashboard(status, None, LINES, COLUMNS))
    svg = console.export_svg(title=f"orch watch {status.run}", unique_id="orch-watch")
    return "\n".join(line.rstrip() for line in FONTS.sub("", svg).splitlines()) + "\n"


def _worker(name: str, environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    words = [*ORCH, "worker", "--device", "cpu", "--threads", "1", "--name", name]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(words, env=environment, stdout=log, stderr=log)


def _await(store: Store, name: str) -> RunStatus:
    """The first look at which both workers train, some way into it, and something is tested."""
    run, deadline = store.load_run(name), time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = run_status(store, run)
        trains = [
            each for trial in status.trials for each in trial.progress if each.phase == "train"
        ]
        tested = [trial for trial in status.trials if trial.accuracy is not None]
        if len(trains) == len(WORKERS) and len(tested) > 1:
            return status
        time.sleep(0.2)
    raise SystemExit(f"{name} did not come so far in {PATIENCE_S:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
