"""Test images that are training or validation images too, or nearly.

Equal files, equal prepared pixels and near duplicates (`image_similarity`), also mirrored, and
images of a group that lies in several splits.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.store.leaks import LeakRecord, Suspect
from orchestrator.analysis.image_similarity import MAX_BITS, MAX_LEVELS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from PIL import Image

    from jobs.data.data_source import DataSource
    from orchestrator.analysis.image_similarity import Catalog

FILE, PIXELS, NEAR, MIRRORED, GROUP = (
    "equal file",
    "equal pixels",
    "near duplicate",
    "near duplicate, mirrored",
    "same group",
)
KINDS = (FILE, PIXELS, NEAR, MIRRORED, GROUP)
MAX_TWINS = 10
"""Pairs kept for one test image, the most alike first."""
METHOD = f"hash of 64 bits: {MAX_BITS}; thumbnail: {MAX_LEVELS:g} levels; mirrored"
NO_PIXELS = "the prepared pixels are not in this store"
BUILT_IN = "built-in images are small, and different ones look alike"


@dataclass(frozen=True)
class Leaks:
    """Pairs of a test image and an image of another split, by image and then by `KINDS`.

    `tested` counts the test images. `unseen` says why near duplicates were not looked for. `kept`:
    they were found before.
    """

    tested: int
    pairs: tuple[Suspect, ...]
    unseen: str = ""
    kept: bool = False

    @cached_property
    def images(self) -> frozenset[str]:
        """The test images that are suspected."""
        return frozenset(pair.image for pair in self.pairs)


@dataclass(frozen=True, slots=True)
class _Row:
    path: str
    label: str
    split: str
    sha256: str
    pixels: str
    group: str | None


@dataclass(frozen=True, slots=True)
class _Look:
    """What an image looks like. `levels`, those of its thumbnail, are 0 for hardly any contrast."""

    thumbnail: bytes
    hash: int
    levels: int


def unseen(manifest: pa.Table, pixels: Any, source: DataSource | None) -> str:
    """Why near duplicates cannot be looked for; empty where they can."""
    if source is not None and source.built_in:
        return BUILT_IN
    return "" if pixels is not None and len(pixels) == manifest.num_rows else NO_PIXELS


def find_leaks(
    manifest: pa.Table, pixels: np.ndarray[Any, Any] | None, source: DataSource | None
) -> Leaks:
    """The suspects among the test images of a prepared data set."""
    groups = {entry.path: entry.group for entry in source.entries} if source else {}
    names = ("path", "label", "split", "sha256", "pixels")
    columns = [manifest[name].to_pylist() for name in names]
    columns.append([groups.get(path) for path in columns[0]])
    rows = [_Row(*values) for values in zip(*columns, strict=True)]
    tests = [place for place, row in enumerate(rows) if row.split == "test"]
    others = [place for place, row in enumerate(rows) if row.split != "test"]
    why = unseen(manifest, pixels, source)
    pairs = [*_equal(rows, tests, others, FILE), *_equal(rows, tests, others, PIXELS)]
    if not why and pixels is not None:
        pairs += _near(rows, tests, others, pixels)
    pairs += _equal(rows, tests, others, GROUP)
    return Leaks(len(tests), _tidy(pairs), why)


def from_record(record: LeakRecord, manifest: pa.Table) -> Leaks:
    """What was found before."""
    return Leaks(manifest["split"].to_pylist().count("test"), record.suspects, kept=True)


def as_record(leaks: Leaks) -> LeakRecord:
    """What is kept beside the data set."""
    return LeakRecord(method=METHOD, suspects=leaks.pairs)


def _mark(row: _Row, kind: str) -> str | None:
    """What two images of this kind share."""
    return {FILE: row.sha256, PIXELS: row.pixels, GROUP: row.group}[kind]


def _equal(
    rows: Sequence[_Row], tests: Sequence[int], others: Sequence[int], kind: str
) -> Iterator[Suspect]:
    """Test images that share the mark of this kind with others."""
    by_mark: defaultdict[str | None, list[int]] = defaultdict(list)
    for place in others:
        if len(by_mark[mark := _mark(rows[place], kind)]) < MAX_TWINS:
            by_mark[mark].append(place)
    for test in tests:
        mark = _mark(rows[test], kind)
        for place in by_mark.get(mark, ()) if mark else ():
            yield _suspect(rows[test], rows[place], kind)


def _near(
    rows: Sequence[_Row],
    tests: Sequence[int],
    others: Sequence[int],
    pixels: np.ndarray[Any, Any],
) -> Iterator[Suspect]:
    """Test images that look nearly like others, as they are or mirrored."""
    from orchestrator.analysis.image_similarity import Catalog

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        looks = list(pool.map(lambda place: _look(pixels, place), others))
        contrasting = [place for place, look in enumerate(looks) if look.levels]
        places = [others[place] for place in contrasting]
        catalog = Catalog([looks[place] for place in contrasting])
        for mirrored in (False, True) if places else ():
            of_tests = pool.map(lambda place, way=mirrored: _look(pixels, place, way), tests)
            for test, look in zip(tests, of_tests, strict=True):
                yield from _alike(rows, test, look, catalog, places, mirrored)


def _alike(
    rows: Sequence[_Row],
    test: int,
    look: _Look,
    catalog: Catalog,
    places: Sequence[int],
    mirrored: bool,
) -> Iterator[Suspect]:
    """The images of the catalog that look nearly like one test image, most alike first."""
    import numpy as np

    if not look.levels:
        return
    near = catalog.candidates(np.uint64(look.hash))
    levels = catalog.levels(near, np.frombuffer(look.thumbnail, np.uint8))
    order = np.argsort(levels, kind="stable")
    for place in order[levels[order] <= MAX_LEVELS][:MAX_TWINS].tolist():
        bits = int(np.bitwise_count(catalog.hashes[near[place]] ^ np.uint64(look.hash)))
        twin = rows[places[near[place]]]
        kind = MIRRORED if mirrored else NEAR
        yield _suspect(rows[test], twin, kind, bits, round(float(levels[place]), 3))


def _look(pixels: np.ndarray[Any, Any], place: int, mirrored: bool = False) -> _Look:
    import numpy as np
    from PIL import Image

    from orchestrator.analysis.image_similarity import appearance

    image: Image.Image = Image.fromarray(np.asarray(pixels[place]))
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    thumbnail, digest = appearance(image)
    levels = max(thumbnail) - min(thumbnail)
    return _Look(thumbnail, digest, levels if levels > MAX_LEVELS else 0)


def _suspect(
    test: _Row, twin: _Row, kind: str, bits: int | None = None, levels: float | None = None
) -> Suspect:
    return Suspect(test.path, test.label, twin.path, twin.label, twin.split, kind, bits, levels)


def _tidy(pairs: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """Each pair once, with its first kind; at most `MAX_TWINS` of an image; by image."""
    once: dict[tuple[str, str], Suspect] = {}
    for pair in pairs:
        once.setdefault((pair.image, pair.twin), pair)
    by_image: defaultdict[str, list[Suspect]] = defaultdict(list)
    for pair in once.values():
        by_image[pair.image].append(pair)
    return tuple(pair for image in sorted(by_image) for pair in by_image[image][:MAX_TWINS])
