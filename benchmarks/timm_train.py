"""Training speed of ResNet34 beside timm's `train.py`, on the same photographs in one run.

    python benchmarks/timm_train.py --train-py FILE --data FOLDER [--device cuda]

FILE is `train.py` of timm's repository. Both train from random weights at 224 px with the study's
batch and optimiser, in turns. Compared are the images per second of training that each reports,
without its start.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common

from jobs.store import tables
from jobs.store.store import Store

NETWORK = "resnet34"
BATCH = 32
SPEED = re.compile(r"\(\s*[\d.]+s,\s*([\d.]+)/s\)")
"""The mean speed in a line of train.py: `Time: 0.41s, 78.0/s (0.42s, 76.2/s)`."""


def of_orch(data: Path, device: str, epochs: int) -> float:
    """Images per second of the last epoch of a run in a store of its own."""
    with tempfile.TemporaryDirectory(prefix="orch-timm-") as folder:
        variables = {"ORCH_STORE": f"{folder}/store", "XDG_STATE_HOME": f"{folder}/state"}
        orch = [sys.executable, "-m", "orchestrator.cli"]
        words = f"submit --backbone {NETWORK} --weights none --periods 1 --workers 1 --wait".split()
        sizes = ["--epochs-per-period", str(epochs), "--batch-size", str(BATCH)]
        environment = {k: v for k, v in os.environ.items() if k != "ORCH_BROKER_URL"} | variables
        try:
            chosen = ["--device", device, "--data", str(data)]
            subprocess.run([*orch, *words, *sizes, *chosen], env=environment, check=True)
            store = Store(Path(variables["ORCH_STORE"]))
            run = store.latest_run()
            rows = tables.read_rows(store.root, "epochs", run.trials).to_pylist()
        finally:
            subprocess.run([*orch, "down"], env=environment, check=False)
    return float(max(rows, key=lambda row: row["epoch"])["images_per_second"])


def of_timm(train_py: Path, data: Path, device: str, epochs: int) -> float:
    """The mean images per second that train.py reports in its last epoch."""
    with tempfile.TemporaryDirectory(prefix="orch-timm-") as folder:
        place = Path(folder)
        for split in ("train", "validation"):
            (place / split).symlink_to(data.absolute(), target_is_directory=True)
        classes = sum(path.is_dir() for path in data.iterdir())
        words = [
            *(sys.executable, str(train_py), "--data-dir", folder, "--output", f"{folder}/out"),
            *("--model", NETWORK, "--num-classes", str(classes), "--batch-size", str(BATCH)),
            *("--opt", "momentum", "--lr", "0.001", "--momentum", "0.9", "--sched", "none"),
            *("--epochs", str(epochs), "--device", device, "--log-interval", "5"),
            *("--workers", str(os.cpu_count() or 1)),
        ]
        precision = ["--amp", "--amp-dtype", "bfloat16"] if device.startswith("cuda") else []
        done = subprocess.run([*words, *precision], capture_output=True, text=True, check=True)
    return float(SPEED.findall(done.stdout + done.stderr)[-1])


def main() -> None:
    """Measure both in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train-py", type=Path, required=True, help="train.py of timm")
    parser.add_argument("--data", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if not given.train_py.is_file():
        parser.error(f"{given.train_py} is not a file; it is train.py of timm's repository")
    measured: dict[str, list[float]] = {"orch": [], "timm": []}
    for _ in range(given.rounds):
        measured["orch"].append(of_orch(given.data, given.device, given.epochs))
        measured["timm"].append(of_timm(given.train_py, given.data, given.device, given.epochs))
    rows = [
        (name, f"{statistics.median(speeds):,.1f}", f"{min(speeds):,.1f} to {max(speeds):,.1f}")
        for name, speeds in measured.items()
    ]
    common.say(common.table(("program", "images/s, median", f"of {given.rounds} rounds"), rows))


if __name__ == "__main__":
    main()
