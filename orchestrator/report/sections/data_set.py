"""Section: the data set, its classes and sample images."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, wording
from orchestrator.report.rendering.elements import Content, Samples, Text
from orchestrator.report.rendering.gallery import MAX_CLASSES_SAMPLED
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import images, leaks, tables


def section(report: ReportData) -> Content:
    """Source and split of the images, images per class, samples."""
    run_data, gallery, duplicates = report.run_data, report.gallery, report.analysis.duplicates
    more = (
        f" The first {MAX_CLASSES_SAMPLED} of {len(run_data.classes)} classes."
        if len(run_data.classes) > MAX_CLASSES_SAMPLED
        else ""
    )
    samples: tuple[Text | Samples, ...] = (
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
    return Content(
        _lead(run_data),
        (
            *elements.fold(
                "Source, split and duplicates",
                tables.data(run_data, duplicates),
                *_method(run_data),
            ),
            *elements.fold(
                "Images in each class", *elements.figures([images.bars(run_data.images_by_class)])
            ),
            *elements.fold("Samples of each class", *samples),
        ),
    )


def _lead(run_data: RunData) -> str:
    """Classes, images of each split, and files that were left out, in a sentence."""
    split = tables.split_counts(run_data)
    told = f"{len(run_data.classes)} classes: {split or 'the data set is not prepared'}."
    skipped = (run_data.prepared and run_data.prepared.skipped) or ()
    left_out = f" {wording.count(len(skipped), 'file')} left out." if skipped else ""
    none = leaks.none(run_data.leaks)
    return f"{told}{left_out} {none}".rstrip()


def _method(run_data: RunData) -> list[Text]:
    """How suspects were looked for, where there are none; else their section tells."""
    known = run_data.leaks
    return [leaks.method(known)] if known is not None and not known.pairs else []
