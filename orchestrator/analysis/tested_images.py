"""Which runs are tested on the same images, whatever their data sets are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.spec.recipe import DataSettings
from orchestrator.analysis.run_data import RunData

Identity = tuple[str, str, int]
"""Checksum of an image's file, its class, and the how manyth of equal ones it is."""
COLUMNS = ("path", "label", "sha256", "split")
UNTOLD = {"split_size", "test_only"}
TRAINING = "training_images"


@dataclass(frozen=True, slots=True, eq=False)
class RunImages:
    """The images of a data set: the paths of the test images by identity, and all others.

    Training and validation images are known once the data set is prepared; None before.
    """

    data: str
    test: Mapping[Identity, str]
    others: frozenset[tuple[str, str, str]] | None
    preparation: int | None

    @property
    def tested(self) -> frozenset[Identity] | str:
        """What the test images are; the data set's name where they are not known."""
        return frozenset(self.test) or self.data

    @property
    def contents(self) -> Hashable:
        """What all images are, and the version of their preparation, whatever the folder's name."""
        return (self.tested, self.data if self.others is None else self.others, self.preparation)


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Runs that are tested on the same images, how many these are, and how the data differ.

    `differences` has, by key of the data set, the value of each run. `shared` counts the images
    that are also tested by other runs, by the first run of each other group.
    """

    runs: tuple[str, ...]
    images: int
    differences: Mapping[str, Mapping[str, Any]]
    shared: Mapping[str, int]


def run_images(run_data: RunData) -> RunImages:
    """The images of a run, from its manifest; else those that were predicted."""
    data, source = run_data.run.data, run_data.source
    version = source.preparation if source else None
    if run_data.manifest is not None:
        columns = (run_data.manifest[name].to_pylist() for name in COLUMNS)
        rows = list(zip(*columns, strict=True))
        test = _identified(row[:3] for row in rows if row[3] == "test")
        others = frozenset(row[1:] for row in rows if row[3] != "test")
        return RunImages(data, test, others, version)
    known = {one.path: (one.label, one.sha256) for one in (source.entries if source else ())}
    tested = run_data.predictions.images
    rows = [(path, *known.get(path, ("", f"{data}/{path}"))) for path in tested]
    return RunImages(data, _identified(rows), None, version)


def _identified(rows: Iterable[tuple[str, str, str]]) -> dict[Identity, str]:
    """The paths of images given as path, class and checksum; in the order of paths."""
    seen, paths = Counter[tuple[str, str]](), dict[Identity, str]()
    for path, label, checksum in sorted(rows):
        paths[checksum, label, seen[checksum, label]] = path
        seen[checksum, label] += 1
    return paths


def numbered(several: Iterable[Hashable]) -> list[int]:
    """A number for each, the same for equal ones."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(one, len(numbers)) for one in several]


def image_groups(
    runs: Sequence[RunData], images: Sequence[RunImages], tested_on: Sequence[int]
) -> tuple[ImageGroup, ...]:
    """The runs by their test images."""
    members = {
        number: [place for place, one in enumerate(tested_on) if one == number]
        for number in dict.fromkeys(tested_on)
    }
    firsts = {number: places[0] for number, places in members.items()}
    return tuple(
        ImageGroup(
            tuple(runs[place].run.name for place in places),
            len(images[places[0]].test),
            _differences([runs[place] for place in places], [images[place] for place in places]),
            {
                runs[first].run.name: len(images[places[0]].test.keys() & images[first].test.keys())
                for other, first in firsts.items()
                if other != number
            },
        )
        for number, places in members.items()
    )


def _differences(runs: Sequence[RunData], images: Sequence[RunImages]) -> dict[str, dict[str, Any]]:
    """The keys in which the data of these runs differ, with the value of each run."""
    if len({run_data.run.data for run_data in runs}) == 1:
        return {}
    of_runs = {run_data.run.name: _prepared(run_data) for run_data in runs}
    for values, one in zip(of_runs.values(), images, strict=True):
        values["preparation"] = one.preparation
    if len({one.others for one in images}) > 1:
        for values, one in zip(of_runs.values(), images, strict=True):
            values[TRAINING] = None if one.others is None else len(one.others)
    keys = dict.fromkeys(key for values in of_runs.values() for key in values)
    told = {key: {run: values.get(key) for run, values in of_runs.items()} for key in keys}
    return {
        key: values
        for key, values in told.items()
        if key == TRAINING or any(one != next(iter(values.values())) for one in values.values())
    }


def _prepared(run_data: RunData) -> dict[str, Any]:
    """How a run's images are prepared; a list where that differs between its networks."""
    spec = run_data.run.spec
    settings = [spec.data_settings(name) for name in spec.backbones]
    values: dict[str, Any] = {}
    for key in DataSettings.model_fields.keys() - UNTOLD:
        several = list(dict.fromkeys(getattr(one, key) for one in settings))
        values[key] = several[0] if len(several) == 1 else several
    return {key: values[key] for key in DataSettings.model_fields if key in values}
