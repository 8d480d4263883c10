"""Training speed of ResNet34 beside timm's `train.py`, on the same photographs in one run.

    python benchmarks/timm_train.py --train-py FILE --data FOLDER [--device cuda]

FILE is `train.py` of timm's repository, of 2024 or later. Both train from random weights at 224 px
with the study's batch and optimiser, without augmentation, in channels-last layout, in turns. timm
gets the precision and the number of threads that orch chose. Compared are the images per second of
the last epoch: timm's without its first batch, which waits for the data loader, and orch's as
recorded. orch decodes the images once before it trains, which is not in its figure; timm decodes
them in each epoch, in processes beside the training.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common

from jobs.store import tables
from jobs.store.records import TaskResult
from jobs.store.store import Store
from jobs.task import Task

NETWORK = "resnet34"
STEP = re.compile(r"Train: (\d+) \[ *(\d+)/.*?Time: ([\d.]+)s, +([\d.]+)/s")
"""Epoch, step, seconds, images per second: `Train: 1 [   3/12 (33%)] ... Time: 0.41s, 78.0/s`."""
SHOWN = 400


@dataclass(slots=True)
class Measurement:
    """What is trained, and the precision and threads that orch chose for it."""

    train_py: Path
    data: Path
    device: str
    epochs: int
    precision: str
    batch_size: int
    loaders: int
    chosen: TaskResult = field(default_factory=TaskResult)

    def of_orch(self) -> float:
        """Images per second of the last epoch of a run in a store of its own."""
        with tempfile.TemporaryDirectory(prefix="orch-timm-") as folder:
            variables = {"ORCH_STORE": f"{folder}/store", "XDG_STATE_HOME": f"{folder}/state"}
            environment = {k: v for k, v in os.environ.items() if k != "ORCH_BROKER_URL"}
            orch = [sys.executable, "-m", "orchestrator.cli"]
            words = ["--weights", "none", "--periods", "1", "--workers", "1", "--wait"]
            options = [
                *("--backbone", NETWORK, "--epochs-per-period", str(self.epochs)),
                *("--batch-size", str(self.batch_size), "--precision", self.precision),
                *("--device", self.device, "--data", str(self.data)),
            ]
            try:
                _run([*orch, "submit", *words, *options], environment | variables)
                return self._recorded(Store(Path(variables["ORCH_STORE"])))
            finally:
                subprocess.run([*orch, "down"], env=environment | variables, check=False)

    def _recorded(self, store: Store) -> float:
        (trial,) = store.latest_run().trials
        done = store.done(Task("train", trial, self.epochs))
        assert done is not None, "the run has ended"
        self.chosen = done
        rows = tables.read_rows(store.root, "epochs", [trial]).to_pylist()
        return float(max(rows, key=lambda row: row["epoch"])["images_per_second"])

    def of_timm(self) -> float:
        """Images per second of the last epoch of train.py, from its second batch on."""
        with tempfile.TemporaryDirectory(prefix="orch-timm-") as folder:
            (Path(folder) / "train").symlink_to(self.data.absolute(), target_is_directory=True)
            classes = sum(path.is_dir() for path in self.data.iterdir())
            options = {
                **{"--data-dir": folder, "--val-split": "", "--output": f"{folder}/out"},
                **{"--model": NETWORK, "--num-classes": classes, "--batch-size": self.batch_size},
                **{"--opt": "momentum", "--lr": 0.001, "--momentum": 0.9, "--weight-decay": 0},
                **{"--sched": "step", "--decay-epochs": 10**6, "--warmup-epochs": 0},
                **{"--epochs": self.epochs, "--device": self.device, "--log-interval": 1},
                **{"--workers": self.loaders, "--smoothing": 0},
            }
            words = [str(word) for pair in options.items() for word in pair]
            half = ["--amp", "--amp-dtype", "bfloat16"] if self.chosen.precision == "bf16" else []
            told = _run(
                [sys.executable, str(self.train_py), *words, "--channels-last", "--no-aug", *half],
                os.environ | {"OMP_NUM_THREADS": str(self.chosen.threads or os.cpu_count())},
            )
        return speed(told, self.epochs - 1)


def speed(told: str, epoch: int) -> float:
    """Images per second of an epoch in the lines of train.py, without its first batch."""
    steps = [tuple(map(float, step)) for step in STEP.findall(told)]
    later = [(seconds, rate) for each, step, seconds, rate in steps if each == epoch and step > 0]
    if not later:
        raise SystemExit(f"train.py told no speed of epoch {epoch}: {told[-SHOWN:]}")
    return sum(seconds * rate for seconds, rate in later) / sum(seconds for seconds, _ in later)


def _run(command: list[str], environment: dict[str, str]) -> str:
    """What a program prints; ends this one, with the last of it, if it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    told = done.stdout + done.stderr
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed: {told[-SHOWN:]}")
    return told


def parse() -> argparse.Namespace:
    """The options of this program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train-py", type=Path, required=True, help="train.py of timm")
    parser.add_argument("--data", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loaders", type=int, default=1, help="processes that decode for timm")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not given.train_py.is_file():
        parser.error(f"{given.train_py} is not a file; it is train.py of timm's repository")
    if not given.data.is_dir():
        parser.error(f"{given.data} is not a folder")
    if min(given.epochs, given.rounds, given.batch_size) < 1:
        parser.error("--epochs, --rounds and --batch-size must be 1 or more")
    return given


def main() -> int:
    """Measure both in turns and print the medians and the median of the ratios."""
    given = parse()
    keys = ("train_py", "data", "device", "epochs", "precision", "batch_size", "loaders")
    each = Measurement(**{key: getattr(given, key) for key in keys})
    measured = common.interleaved(
        {"orch": each.of_orch, "timm": each.of_timm}, given.rounds, NETWORK, warm_ups=0
    )
    medians = common.medians(measured)
    rows: list[list[Any]] = [
        [name, medians[name], f"{min(speeds):.3g} to {max(speeds):.3g}"]
        for name, speeds in measured.items()
    ]
    table = common.table(("program", "images/s, median", f"of {given.rounds} rounds"), rows)
    ratio = common.paired(measured, "orch", "timm")
    how = f"{each.chosen.precision}, {each.chosen.threads} thread(s), batch {given.batch_size}"
    shown = f"{table}\n\norch is {ratio:.3g} x as fast (median of {given.rounds} ratios; {how})"
    return common.publish("ResNet34 beside timm's train.py", shown, [], measured, given.json)


if __name__ == "__main__":
    sys.exit(main())
