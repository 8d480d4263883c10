"""Figures of images: per class, samples, and examples with predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from orchestrator.analysis import examples
from orchestrator.report.rendering import theme, wording
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, title
from orchestrator.report.rendering.gallery import SAMPLES_A_CLASS, Gallery

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BARS, SMALLEST = 450, 100
"""With more classes than bars fit in a figure, so many of the smallest and largest have one."""


class SampleImages(Protocol):
    """Images to show, by class, and each of them as a small Pillow image."""

    @property
    def samples(self) -> list[tuple[str, list[str]]]: ...

    def small(self, image: str) -> Any: ...


def _with_bars(totals: Mapping[str, int]) -> tuple[list[str], str]:
    """The classes that get a bar, by name, and a sentence if others do not."""
    if len(totals) <= MAX_BARS:
        return sorted(totals), ""
    by_size = sorted(totals, key=lambda name: (totals[name], name))
    shown = sorted({*by_size[:SMALLEST], *by_size[-SMALLEST:]})
    return shown, f" The {SMALLEST} smallest and the {SMALLEST} largest classes of {len(totals):,}."


def bars(classes: Mapping[str, Mapping[str, int]]) -> Chart | None:
    """Images per class and split; None where there are no classes yet."""
    if not classes:
        return None
    totals = {name: sum(counts.values()) for name, counts in classes.items()}
    names, left_out = _with_bars(totals)
    few, many = min(names, key=lambda n: totals[n]), max(names, key=lambda n: totals[n])
    size = 8.5 if len(names) <= 60 else 5.5

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        left = np.zeros(len(names))
        for split, hue in theme.SPLITS.items():
            widths = np.array([classes[name].get(split, 0) for name in names])
            axes.barh(range(len(names)), widths, left=left, color=hue, label=split, height=0.72)
            left += widths
        _label_bars(axes, [totals[name] for name in names], size - 0.5)
        _dress_bars(axes, names, size, f"{sum(totals.values()):,} images · {len(totals)} classes")
        legend_below(figure, axes)

    caption = (
        f"From {wording.count(totals[few], 'image')} ({wording.plain(few)}) to {totals[many]:,} "
        f"({wording.plain(many)}) per class.{left_out}"
    )
    step = 0.235 if len(names) <= 60 else 0.13
    return draw_chart(
        "classes",
        f"Bar chart: images in each of {len(names)} classes, by split",
        caption,
        (6.8, min(60.0, 1.5 + step * len(names))),
        paint,
    )


def sheet(
    gallery: SampleImages, name: str = "samples", alt: str = "", caption: str = ""
) -> Chart | None:
    """Samples of each class as one figure; None without pixels.

    Texts that are not given are those for training images.
    """
    if not gallery.samples:
        return None
    across = 3
    down = -(-len(gallery.samples) // across)

    def paint(figure: Figure) -> None:
        axes = _canvas(figure, across * (SAMPLES_A_CLASS + 0.5), down * 1.55)
        for place, (label, chosen) in enumerate(gallery.samples):
            x, y = place % across * (SAMPLES_A_CLASS + 0.5), place // across * 1.55
            axes.text(
                x,
                y + 0.36,
                wording.short([label], 34)[0],
                fontsize=9,
                fontweight="bold",
                in_layout=False,
            )
            for number, image in enumerate(chosen):
                _put(axes, gallery.small(image), x + number, y + 0.5)

    return draw_chart(
        name,
        alt or f"Sample images of {len(gallery.samples)} classes",
        caption or sampled("Training images as the networks see them"),
        (9.5, 9.5 / 13.5 * down * 1.55),
        paint,
    )


def sampled(about: str) -> str:
    """The caption of a figure of samples."""
    return f"{about}: the first {SAMPLES_A_CLASS} of each class by a hash of their names."


def answer_sheet(gallery: Gallery, chosen: Sequence[examples.Example]) -> Chart | None:
    """Examples with predictions as one figure; None without pixels."""
    shown = [example for example in chosen if example.image in gallery.rows]
    if not shown:
        return None
    across, tall = 4, 1.25 + 0.135 * (2 + len(shown[0].answers))
    down = -(-len(shown) // across)

    def paint(figure: Figure) -> None:
        axes = _canvas(figure, across * 2.0, down * tall)
        for place, example in enumerate(shown):
            _ask(axes, gallery, example, place % across * 2.0, place // across * tall)

    caption = (
        "A tick marks a correct prediction, a cross a wrong one. The percentage is the network's "
        "confidence."
    )
    return draw_chart(
        "answers",
        f"{len(shown)} test images with every network's prediction",
        caption,
        (9.5, 9.5 / 8 * down * tall),
        paint,
    )


def _ask(axes: Axes, gallery: Gallery, example: examples.Example, x: float, y: float) -> None:
    _put(axes, gallery.small(example.image), x, y + 0.1, 1.1)
    y += 1.34
    axes.text(
        x,
        y,
        f"True class: {wording.short([example.label], 22)[0]}",
        fontsize=8.5,
        fontweight="bold",
        in_layout=False,
    )
    for number, answer in enumerate(example.answers, 1):
        sure = f" {100 * answer.confidence:.0f}%" if answer.confidence is not None else ""
        said = (
            f"{'✓' if answer.right else '✗'} {wording.in_figure(answer.backbone)}: "
            f"{wording.short([answer.predicted], 14)[0]}{sure}"
        )
        axes.text(
            x,
            y + 0.135 * number,
            said,
            fontsize=7.5,
            in_layout=False,
            color=theme.INK if answer.right else theme.WRONG,
        )


def _canvas(figure: Figure, width: float, height: float) -> Axes:
    axes = figure.add_subplot()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes


def _put(axes: Axes, image: Any, x: float, y: float, side: float = 0.95) -> None:
    if image is not None:
        axes.imshow(
            np.asarray(image),
            extent=(x, x + side, y + side, y),
            aspect="equal",
            interpolation="antialiased",
        )


def _label_bars(axes: Axes, lengths: Sequence[int], size: float) -> None:
    for height, length in enumerate(lengths):
        axes.annotate(
            f"{length:,}",
            (length, height),
            (4, 0),
            textcoords="offset points",
            in_layout=False,
            va="center",
            fontsize=size,
            color=theme.MUTED,
        )


def _dress_bars(axes: Axes, names: Sequence[str], size: float, basis: str) -> None:
    axes.set_yticks(range(len(names)), wording.short(names, 24), fontsize=size, color=theme.INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.margins(x=0.08)
    axes.set_xlabel("images")
    title(axes, "Images in each class", basis)
