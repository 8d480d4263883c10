"""Section: the data set, its classes and sample images."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements
from orchestrator.report.rendering.elements import (
    Heading,
    Part,
    Samples,
    Section,
    Text,
)
from orchestrator.report.sections import images, tables


def section(
    run_data: RunData, gallery: images.Gallery, duplicates: dict[str, int] | None
) -> Section:
    """Source and split of the images, images per class, samples."""
    more = (
        f" The first {images.MAX_CLASSES_SAMPLED} of {len(run_data.classes)} classes."
        if len(run_data.classes) > images.MAX_CLASSES_SAMPLED
        else ""
    )
    samples: tuple[Part, ...] = (
        (
            Text(f"Training images as the networks see them, before normalisation.{more}"),
            Samples(
                tuple((label, tuple(chosen)) for label, chosen in gallery.samples),
                images.sheet(gallery),
            ),
        )
        if gallery.samples
        else (Text("The prepared pixels are not in this store, so there are no sample images."),)
    )
    return Section(
        "data",
        "Data",
        "",
        (
            tables.data(run_data, duplicates),
            *elements.figures([images.bars(run_data)]),
            Heading("Samples of each class"),
            *samples,
        ),
    )
