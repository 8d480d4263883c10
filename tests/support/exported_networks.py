"""Trained networks of every kind, exported, and asked in a process without orch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jobs.data import sources
from jobs.spec import model
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from models.export import write
from orchestrator.analysis import trained_models
from orchestrator.submission.run_creation import create_run
from support.learning import Laboratory

OWN = """
import torch

def make(num_classes):
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(3),
        torch.nn.Flatten(), torch.nn.Linear(72, num_classes),
    )
"""
SIZE = {
    "image_size": 64,
    "resize": "squash",
    "interpolation": "bilinear",
    "crop": 0.9,
    "mean": [0.4, 0.5, 0.6],
    "deviation": [0.2, 0.3, 0.25],
}
WITHOUT_ORCH = """
import json, re, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("orchestrator", "models", "jobs", "workers"):
            raise ImportError(f"{name} is hidden")

sys.meta_path.insert(0, Hidden())
found = []
for folder, image in json.loads(sys.argv[1]):
    text = open(f"{folder}/README.md").read()
    for lines in re.findall(r"```python\\n(.*?)```", text, re.DOTALL):
        for name in ("network", "own_network", "prepare"):
            sys.modules.pop(name, None)
        sys.path.insert(0, folder)
        names = {}
        lines = lines.replace("cat.jpg", image).replace('"model', f'"{folder}/model')
        exec(lines, names)
        sys.path.remove(folder)
        assert lines.strip().count("\\n") == 3, lines
        found.append([float(value) for value in names["scores"].reshape(-1)])
print(json.dumps(found))
"""


def train_networks(folder: Path) -> tuple[Store, Run, Path]:
    """Five networks of all kinds, each trained for an epoch, each prepared in its own way."""
    rng = np.random.default_rng(1)
    for label in ("ape", "bear", "cat"):
        (folder / "animals" / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "animals" / label / f"{number:03d}.png")
    (folder / "nets.py").write_text(OWN)
    entries: list[Any] = [
        "scratch",
        "squeezenet-finetuned",
        {"name": "torchvision:shufflenet_v2_x0_5", **SIZE, "crop": 0.8},
        {"name": "timm:resnet10t", **SIZE, "resize": "crop", "interpolation": "bicubic"},
        {"name": f"{folder}/nets.py:make", **SIZE, "resize": "pad", "interpolation": "lanczos"},
    ]
    spec = model.build(
        {
            "backbones": entries,
            "data": str(folder / "animals"),
            "periods": 1,
            "epochs_per_period": 1,
            "batch_size": 8,
            "precision": "fp32",
            "weights": "none",
            "image_size": 64,
            "augment": "random-resized-crop",  # images are stored with a margin
            "name": "study",
        }
    )
    store = Store(folder / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    laboratory = Laboratory(store, run.data)
    for data in run.data_sets:
        laboratory.do(Task("prepare", data))
    for trial in run.trials:
        laboratory.train(trial, 1)
        laboratory.evaluate(trial, 1)
    return store, run, folder


def exported(study: tuple[Store, Run, Path], out: Path, backbone: str, *formats: str) -> Path:
    """The folder of an exported network."""
    store, run, _ = study
    training = trained_models.choose_model(store, run, backbone, None, None)
    write.export(store, run.name, training, formats, out)
    return out


def answers_without_orch(places: list[Path], image: Path) -> list[list[float]]:
    """What the lines in each README answer, in a process that cannot import orch."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_ORCH, json.dumps([[str(p), str(image)] for p in places])],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=places[0].parent,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    assert ended.returncode == 0, ended.stderr
    answers: list[list[float]] = json.loads(ended.stdout)
    return answers
