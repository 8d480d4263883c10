"""One new entry of each registry, and the functions that they name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.catalog.backbones import CATALOG, Backbone
from jobs.catalog.built_in_data import BUILT_IN_DATA, BuiltInData
from jobs.catalog.corruptions import CORRUPTIONS, Corruption
from jobs.catalog.optimisers import OPTIMISERS, Optimiser
from jobs.catalog.schedules import SCHEDULES, Schedule
from support.command_lines import ROOT, fenced

GUIDE = ROOT / "docs" / "extending.md"
BACKBONE = Backbone(
    name="resnet18",
    title="ResNet18",
    summary="residual network of 18 layers",
    min_image_size=8,
    relative_cost=4.0,
    torchvision_name="resnet18",
    head="linear",
    weights_url_file="resnet18-f37072fd.pth",
)
CORRUPTION = Corruption(
    "inversion", "inverted colours", (0.2, 0.4, 0.6, 0.8, 1.0), "support.new_entries:invert"
)
OPTIMISER = Optimiser(
    "radam",
    "RAdam",
    "Adam with rectified steps",
    "torch.optim:RAdam",
    settings={"lr": "learning_rate"},
    fixed={"weight_decay": 0.05},
)
SCHEDULE = Schedule(
    "exponential",
    "nine tenths of the rate after each epoch",
    "torch.optim.lr_scheduler:ExponentialLR",
    lambda recipe: "multiplied by 0.9 after each epoch",
    fixed={"gamma": 0.9},
)
DATA = BuiltInData(
    "stripes",
    "stripes of three colours",
    ("across", "down", "none"),
    30,
    "support.new_entries:stripes",
    image_size=32,
    weights="none",
)


def add(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add one entry to each registry, and nothing else anywhere."""
    monkeypatch.setitem(CATALOG, BACKBONE.name, BACKBONE)
    monkeypatch.setitem(CORRUPTIONS, CORRUPTION.name, CORRUPTION)
    monkeypatch.setitem(OPTIMISERS, OPTIMISER.name, OPTIMISER)
    monkeypatch.setitem(SCHEDULES, SCHEDULE.name, SCHEDULE)
    monkeypatch.setitem(BUILT_IN_DATA, DATA.name, DATA)


def add_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a metric of predictions, one of evaluations and a section, and nothing else anywhere.

    The section is that of the guide.
    """
    from orchestrator.analysis.metrics import METRICS, Metric
    from orchestrator.report.sections.registry import SECTIONS, SectionEntry

    sure = Metric(
        "surest",
        "Highest confidence",
        "confidence of the surest answer",
        True,
        "share",
        of_answers=lambda answers: float(answers.confidence.max()),
    )
    wrong = Metric(
        "wrong",
        "Wrong answers",
        "number of test images wrong",
        False,
        "number",
        of_evaluation=lambda test: test.total - test.correct,
    )
    monkeypatch.setitem(METRICS, sure.name, sure)
    monkeypatch.setitem(METRICS, wrong.name, wrong)

    shown: dict[str, Any] = {}
    (example,) = [block for block in fenced(GUIDE, "python") if "def section(" in block]
    exec(example, shown)
    entry = SectionEntry("hardware", "Hardware", "the devices of the run", shown["section"])
    monkeypatch.setitem(SECTIONS, entry.name, entry)


def invert(images: Any, strength: float, rng: Any) -> Any:
    """Images blended with their inverse."""
    return (images * (1 - strength) + (255 - images) * strength).round().to(images.dtype)


def stripes(size: int = 32) -> Iterator[tuple[str, str, str, Any]]:
    """Ten images of each class."""
    import numpy as np

    for label in DATA.classes:
        for number in range(10):
            pixels = np.full((size, size, 3), 20 * number, np.uint8)
            if label != "none":
                place = slice(number % 2, None, 2)
                pixels[(place, slice(None)) if label == "across" else (slice(None), place)] = 250
            yield f"{label}/{number}", label, hashlib.sha256(pixels.tobytes()).hexdigest(), pixels
