"""What to hold against a comparison of several runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.spec.setting import value_told
from orchestrator.analysis.multi_run import ComparedRun, RunsAnalysis
from orchestrator.analysis.tested_images import TRAINING, ImageGroup
from orchestrator.report import cautions as of_one_run
from orchestrator.report.rendering import wording

IN_WORDS = {"margin": "margin for random crops", TRAINING: "training and validation images"}


def cautions(sides: Sequence[ComparedRun], analysis: RunsAnalysis) -> list[str]:
    """Different images, epochs, what learned nothing, and what is not done yet."""
    told = [*_images_differ(analysis.images), *_data_differ(analysis.images)]
    if len({side.analysis.epoch for side in sides}) > 1:
        told.append("The runs are compared after different epochs.")
    for side in sides:
        told += [f"{side.name}: {note}" for note in of_one_run.unlearned(side.run_data)]
        undone = sum(state != "done" for state in side.run_data.states.values())
        if undone:
            told.append(f"{side.name} is not complete: {wording.count(undone, 'task')} not done.")
    return told


def _images_differ(images: Sequence[ImageGroup]) -> Iterator[str]:
    """That runs are tested on different images, and how many they share."""
    if len(images) > 1:
        first, *others = images
        told = [f"{wording.listed(first.runs)} on {wording.count(first.images, 'image')}"]
        for one in others:
            shared = f"{one.shared[first.runs[0]]:,} in common with {first.runs[0]}"
            told.append(f"{wording.listed(one.runs)} on {one.images:,} ({shared})")
        yield (
            f"The test images differ (other data or another split): {'; '.join(told)}. So the "
            "accuracies are not for the same images, and networks are compared image by image "
            "only where the test images are the same."
        )


def _data_differ(images: Sequence[ImageGroup]) -> Iterator[str]:
    """How the data of runs that are tested on the same images differ otherwise."""
    for one in images:
        if one.differences:
            told = "; ".join(_difference(key, of_run) for key, of_run in one.differences.items())
            yield (
                f"{wording.listed(one.runs)} are tested on the same "
                f"{wording.count(one.images, 'image')}, but their data differ: {told}."
            )


def _difference(key: str, of_run: Mapping[str, Any]) -> str:
    """The values of a key in each run: `image_size 64 in a, 96 in b and c`."""
    runs: dict[str, list[str]] = {}
    for run, value in of_run.items():
        runs.setdefault(value_told(value), []).append(run)
    told = ", ".join(f"{value} in {wording.listed(names)}" for value, names in runs.items())
    return f"{IN_WORDS.get(key, key)} {told}"
