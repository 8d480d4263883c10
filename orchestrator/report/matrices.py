"""Confusion matrices: which class is taken for which, one figure a network and period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.report import answers, look, wording
from orchestrator.report.drawing import Drawing, draw
from orchestrator.report.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COUNTED, MOST_NAMED = 40, 100


def counts(evidence: Evidence, backbone: str, period: int) -> np.ndarray[Any, Any] | None:
    """Images by (true class, answer), all seeds together; None where no answers are published."""
    epoch = evidence.run.epoch_of(period)
    names = [name for name, trial in evidence.trials.items() if trial.backbone == backbone]
    tables = [answers.of(evidence.predictions, name, epoch) for name in names]
    found = [answers.confusion(table, evidence.classes) for table in tables if table.num_rows]
    return np.sum(found, axis=0) if found else None


def confusion(evidence: Evidence, backbone: str, period: int) -> Drawing | None:
    """One network after one period, or None where no answers are published."""
    found = counts(evidence, backbone, period)
    if found is None:
        return None
    images, seeds = int(found.sum()), max(1, round(int(found.sum()) / max(1, evidence.test_images)))
    per_seed = images // seeds
    basis = f"{wording.count(per_seed, 'test image')} · " + ("one seed" if seeds == 1 else f"{seeds} seeds, summed")
    title = f"{wording.title(backbone)} after epoch {evidence.run.epoch_of(period)}"
    side = min(14.0, max(3.6, 1.9 + 0.215 * len(evidence.classes)))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        _cells(axes, found)
        _names(axes, evidence.classes)
        axes.set_title(title, pad=20)
        axes.annotate(basis, (0, 1), (0, 7), "axes fraction", textcoords="offset points", fontsize=8.5,
                      color=look.MUTED)

    alt = f"Confusion matrix of {title}: rows are true classes, columns answers"
    name = f"confusion-{backbone}-period-{period}"
    return draw(name, alt, _seen(found, evidence.classes), (side, side), paint)


def shades(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each cell as RGBA 0..1: blue on the diagonal, orange off it, as deep as its share of the row."""
    from matplotlib.colors import to_rgb

    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1)
    painted = np.empty((*found.shape, 4))
    painted[..., :3] = to_rgb(look.WRONG)
    painted[np.eye(len(found), dtype=bool), :3] = to_rgb(look.RIGHT)
    painted[..., 3] = np.where(found > 0, 0.10 + 0.90 * shares**0.8, 0)
    return painted


def _cells(axes: Axes, found: np.ndarray[Any, Any]) -> None:
    size, painted = len(found), shades(found)
    axes.imshow(painted, extent=(-0.5, size - 0.5, size - 0.5, -0.5))
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(False, which="major")
    size_of_counts = {1: 7.5, 2: 7.5, 3: 6.5}.get(len(str(found.max())), 5.0)
    if size <= MOST_COUNTED:
        axes.grid(True, which="minor", linewidth=0.6)
        for row, column in zip(*np.nonzero(found), strict=True):
            deep = painted[row, column, 3] > 0.55
            axes.text(column, row, str(found[row, column]), ha="center", va="center", fontsize=size_of_counts,
                      color=look.ON_FILL if deep else look.INK, in_layout=False)
    axes.tick_params(which="both", length=0)
    for side in axes.spines.values():
        side.set(visible=True, color=look.GRID)


def _names(axes: Axes, classes: Sequence[str]) -> None:
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if len(classes) > MOST_NAMED:
        axes.set(xticks=[], yticks=[], xlabel=f"answer ({len(classes)} classes, by name)")
        return
    size = 8 if len(classes) <= MOST_COUNTED else 5
    axes.set_xticks(range(len(classes)), wording.short(classes), rotation=90, fontsize=size, color=look.INK)
    axes.set_yticks(range(len(classes)), wording.short(classes), fontsize=size, color=look.INK)


def _seen(found: np.ndarray[Any, Any], classes: Sequence[str]) -> str:
    """What to see: the commonest mistakes."""
    worst = answers.worst(found, classes)
    if not worst:
        return "No mistake."
    called = dict(zip(classes, wording.short(classes, 28), strict=True))
    told = [f"{called[true]} taken for {called[answer]} ({wrong} of {images})" for true, answer, wrong, images in worst]
    return f"Commonest mistakes: {', '.join(told)}."
