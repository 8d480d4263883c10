"""How many images each split will have, without preparing the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.data.data_source import DataSource
from jobs.spec.model import DataSettings
from jobs.store.store import Store
from jobs.task import Task
from orchestrator.datasets.listed import listed

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Images:
    """Images of each split. `exact`: counted by a preparation, or of images that need no look.

    Else images that are equal once decoded, and broken files, may move a few between the splits.
    """

    train: int
    validation: int
    test: int
    exact: bool

    @property
    def total(self) -> int:
        """All images."""
        return self.train + self.validation + self.test


def count(store: Store, data: str, source: DataSource, settings: DataSettings) -> Images:
    """Images of each split of a data set, as preparing it counted them or would draw them."""
    prepared = store.done(Task("prepare", data))
    if prepared is not None and prepared.classes:
        return _summed(prepared.classes)
    if source.built_in:
        return _of_built_in(source, settings)
    from orchestrator.datasets import findings

    drawn = findings.find(source, settings, look=False).by_split
    return _of(Counter({s: sum(counts[s] for counts in drawn.values()) for s in SPLITS}), False)


def _of_built_in(source: DataSource, settings: DataSettings) -> Images:
    """Those of a built-in data set; from its size alone where its package is not installed."""
    files = listed(source)
    if files is None:
        total = BUILT_IN_DATA[source.origin].images
        parts = [round(total * share / 100) for share in settings.split]
        return _of(Counter(dict(zip(SPLITS, parts, strict=True))), False)
    from models.data.split import Image, split

    images = [Image(label, sha256, sha256) for label, sha256 in files]
    return _of(Counter(split(images, settings.split, settings.split_seed)), True)


def _summed(classes: Mapping[str, Mapping[str, int]]) -> Images:
    return _of(Counter({s: sum(counts[s] for counts in classes.values()) for s in SPLITS}), True)


def _of(counts: Mapping[str, int], exact: bool) -> Images:
    return Images(counts["train"], counts["validation"], counts["test"], exact)
