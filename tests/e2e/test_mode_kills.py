"""Recipes whose child is killed while it trains: the same bits as in an undisturbed store."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from chaos.processes import task_children
from support.harness import Lab, digests, rows

from jobs import readiness
from jobs.data import sources
from jobs.spec import model
from jobs.store.runs import Run
from orchestrator.submission.run_creation import create_run
from workers.messaging import messages

pytestmark = [pytest.mark.whole, pytest.mark.long]

TINY = """
from torch import nn


def make(num_classes):
    body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.BatchNorm2d(8), nn.ReLU())
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
    return nn.Sequential(body, pool, nn.Linear(8, num_classes))
"""
EPOCHS = 24
PREPARED: dict[str, Any] = {
    "image_size": 32, "resize": "squash", "interpolation": "bilinear", "crop": 0.875,
    "mean": [0.5, 0.5, 0.5], "deviation": [0.25, 0.25, 0.25],
}  # fmt: skip
MODES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "adamw-cosine-ema": (
        {"optimiser": "adamw", "schedule": "cosine", "warmup_epochs": 2, "ema": 0.9},
        (1, 6),
    ),
    "crops-mixup": ({"augment": "random-resized-crop", "mixup": 0.2}, (4,)),
    "head": ({"finetune": "head", "clip_norm": 0.5}, (5,)),
    "best": ({"keep": "best", "learning_rate": 0.2}, (6,)),
    "grid": ({"learning_rate": [0.02, 0.05]}, (3,)),
}
"""The settings of each run, and the epochs whose checkpoints its trainings are killed at."""


def test_children_killed_in_every_mode_change_nothing(
    new_lab: Callable[..., Lab], animal_folder: Path
) -> None:
    """SIGKILL to the child that trains, at different epochs; another attempt takes the trial up.

    Weights, and rows without times and attempts, are those of a store that nobody disturbed.
    """
    (animal_folder.parent / "tiny.py").write_text(TINY)
    calm, struck = new_lab("calm"), new_lab("struck")
    workers = {id(lab): lab.worker("--threads", "1") for lab in (calm, struck)}
    runs = [(name, began(calm, name, animal_folder)) for name in MODES]
    for name, calm_run in runs:
        run = began(struck, name, animal_folder)
        kill_at(struck, workers[id(struck)], run, MODES[name][1])
        assert set(struck.finished(run).values()) == {"done"}, name
        assert set(calm.finished(calm_run).values()) == {"done"}, name

        assert run.trials == calm_run.trials
        assert digests(struck, run) == digests(calm, calm_run), name
        for table in ("epochs", "evaluations", "predictions"):
            assert rows(struck, run, table) == rows(calm, calm_run, table), (name, table)
        lost = sum(row["state"] != "done" for row in rows(struck, run, "attempts"))
        assert lost == len(MODES[name][1]) * len(run.trials), name


def began(lab: Lab, name: str, images: Path) -> Run:
    """A run of one mode, recorded and enqueued without asking torch about the network."""
    settings = MODES[name][0]
    network = f"{images.parent / 'tiny.py'}:make"
    asked = {"data": str(images), "backbones": [network], "periods": 1, "name": name}
    how = {"epochs_per_period": EPOCHS, "batch_size": 4, "precision": "fp32", **PREPARED}
    spec = model.build({**asked, **how, **settings})
    store = lab.store.open(create=True)
    run = create_run(store, spec, sources.read(spec))
    messages.enqueue(lab.broker_url, readiness.ready_tasks(store, run), store=store.ensure_id())
    return run


def kill_at(lab: Lab, worker: subprocess.Popen[bytes], run: Run, epochs: tuple[int, ...]) -> None:
    """Kill the child of each trial once it has written the checkpoint of each of these epochs."""
    for trial in run.trials:
        folder = lab.store.checkpoints_folder(trial)
        for epoch in epochs:
            lab.until(lambda f=folder, e=epoch: reached(f, e), 60, f"epoch {epoch} of {trial}")
            lab.until(lambda: kill_child(worker), 10, f"a child that trains {trial}")


def reached(folder: Path, epoch: int) -> bool:
    """Whether a checkpoint of this epoch or a later one is there."""
    return any(int(path.name[1:5]) >= epoch for path in folder.glob("e????-*.json"))


def kill_child(worker: subprocess.Popen[bytes]) -> bool:
    """SIGKILL to the process that works on the task; whether there was one."""
    killed = False
    for victim in task_children(worker.pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # it had just ended
            victim.kill()
            killed = True
    return killed
