"""What is odd about a data folder, found before anything is trained."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.data import folder_shape, value_range
from jobs.data.data_source import DataSource, ImageFile
from jobs.data.value_range import UNKNOWN, ValueRange
from jobs.errors import BadFolder
from jobs.spec.model import DataSettings

if TYPE_CHECKING:
    from orchestrator.datasets.look import ImageFacts

Tell = Callable[[int, int], None]
TENTH = 0.1
SPLITS = ("train", "validation", "test")


@dataclass(slots=True)
class Findings:
    """What is odd about a folder, with the paths of the files.

    `looked`: images were decoded. `frames` by path. `near_duplicates` are groups of images that
    look nearly the same, `across_splits` those of them that several splits share.
    `equal_across_splits` are equal images, and `groups_across_splits` the images of a group in each
    split, where it has several. `remarks` are those of the source, `by_split` images by class.
    `sizes` are the smallest, the median and the largest width and height.
    """

    looked: bool
    formats: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    alike_classes: list[list[str]] = field(default_factory=list)
    own_split: list[str] = field(default_factory=list)
    no_test_image: list[str] = field(default_factory=list)
    contradictions: list[list[str]] = field(default_factory=list)
    one_colour: list[str] = field(default_factory=list)
    low_contrast: list[str] = field(default_factory=list)
    frames: dict[str, str] = field(default_factory=dict)
    near_duplicates: list[list[str]] = field(default_factory=list)
    across_splits: list[list[str]] = field(default_factory=list)
    value_range: dict[str, Any] | None = None
    remarks: list[str] = field(default_factory=list)
    by_split: dict[str, dict[str, int]] = field(default_factory=dict)
    equal_across_splits: list[list[str]] = field(default_factory=list)
    groups_across_splits: dict[str, dict[str, int]] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)


def can_look() -> bool:
    """Whether the packages are here that decoding needs."""
    return all(importlib.util.find_spec(name) for name in ("PIL", "numpy"))


def find(
    source: DataSource,
    settings: DataSettings,
    tell: Tell = lambda done, total: None,
    *,
    quick: bool = False,
    look: bool = True,
) -> Findings:
    """What is odd about a folder; `tell(done, total)` counts its files.

    Without `look`, or where images cannot be decoded, only names and checksums are compared.
    `quick` decodes at a small size where that is faster.
    """
    findings = Findings(
        look and can_look(), beside=list(source.beside), remarks=list(source.remarks)
    )
    findings.alike_classes = folder_shape.alike(source.classes)
    paths = [entry.path for entry in source.entries]
    findings.own_split = folder_shape.split_within_classes(folder_shape.tree(source.classes, paths))
    digests = {entry.path: entry.sha256 for entry in source.entries}
    groups: list[list[ImageFile]] = []
    if findings.looked:
        groups = _look_at_all(source, settings, findings, digests, tell, quick)
    whole = [entry for entry in source.entries if entry.path not in findings.broken]
    splits = _split(whole, digests, settings)
    _count_by_split(source, whole, splits, findings)
    equal = _equal(whole, digests)
    findings.contradictions = [
        [e.path for e in group] for group in equal if len({e.label for e in group}) > 1
    ]
    findings.equal_across_splits = [
        [e.path for e in group] for group in equal if len({splits[e.path] for e in group}) > 1
    ]
    for group in groups:
        if len({digests[entry.path] for entry in group}) > 1:
            findings.near_duplicates.append([entry.path for entry in group])
            if len({splits[entry.path] for entry in group}) > 1:
                findings.across_splits.append([entry.path for entry in group])
    return findings


def _look_at_all(
    source: DataSource,
    settings: DataSettings,
    findings: Findings,
    digests: dict[str, str],
    tell: Tell,
    quick: bool,
) -> list[list[ImageFile]]:
    """Record what is odd about single files; groups of those that look nearly the same.

    `digests` of such files become those of their prepared pixels.
    """
    from orchestrator.analysis import image_similarity
    from orchestrator.datasets.look import look

    looks: list[ImageFacts] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for seen in pool.map(lambda e: look(Path(source.origin) / e.path, quick), source.entries):
            looks.append(seen)
            tell(len(looks), len(source.entries))
    _measure(looks, findings)
    chosen = _range(source, settings, looks, findings)
    for entry, seen in zip(source.entries, looks, strict=True):
        if seen.fault:
            findings.broken[entry.path] = seen.fault
        elif seen.one_colour:
            findings.one_colour.append(entry.path)
        elif _contrast(seen, chosen) < TENTH:
            findings.low_contrast.append(entry.path)
        if seen.frames:
            findings.frames[entry.path] = seen.frames
    groups = [
        [source.entries[place] for place in group] for group in image_similarity.groups(looks)
    ]
    similar = {entry.path for group in groups for entry in group}
    for path in [*sorted(similar), *findings.one_colour]:
        digests[path] = _pixels(Path(source.origin) / path, settings, chosen) or digests[path]
    return groups


def _range(
    source: DataSource, settings: DataSettings, looks: Sequence[ImageFacts], findings: Findings
) -> ValueRange:
    """The range of values of the data set, as preparing it would find it."""
    from models.data.find_value_range import DataSetRange

    spans = [seen.span for seen in looks if seen.span is not None]
    if not source.beyond_8_bits or not spans:
        return value_range.chosen(settings.value_range) or UNKNOWN
    try:
        value_range.check(source.origin, source.beyond_8_bits, settings.value_range)
    except BadFolder as error:
        findings.value_range = {"fault": str(error)}
        return UNKNOWN
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    given = value_range.chosen(settings.value_range)
    chosen = given or ValueRange("given", low, high if low < high else low + 1)
    used = DataSetRange(chosen, len(spans)).facts(settings.value_range)["value_range"]
    kinds = Counter(one.words for one in source.beyond_8_bits.values())
    findings.value_range = {**used, "lowest": low, "highest": high, "kinds": dict(kinds)}
    return chosen


def _contrast(seen: ImageFacts, chosen: ValueRange) -> float:
    """The share of the range from black to white that an image uses."""
    if seen.span is None or seen.pixels is None or chosen.kind == UNKNOWN.kind:
        return seen.levels / 255
    low, high = seen.pixels.full_range if chosen.kind == "full" else (chosen.low, chosen.high)
    cut = [min(max(value, low), high) for value in seen.span]
    return (cut[1] - cut[0]) / (high - low)


def _pixels(path: Path, settings: DataSettings, chosen: ValueRange) -> str:
    """Checksum of the pixels that preparing a file makes; empty if it cannot be prepared."""
    from models.data.decode import Broken, decode

    try:
        pixels = decode(path.read_bytes(), settings.split_size or settings.image_size, chosen)
    except (OSError, Broken):
        return ""
    return hashlib.sha256(pixels.data).hexdigest()


def _split(
    entries: Iterable[ImageFile], digests: dict[str, str], settings: DataSettings
) -> dict[str, str]:
    """The split of each file, as preparing the data set would draw it."""
    from models.data.split import Image, split

    whole = list(entries)
    images = [
        Image(entry.label, entry.sha256, digests[entry.path], entry.given_split, entry.group)
        for entry in whole
    ]
    drawn = split(images, settings.split, settings.split_seed)
    return {entry.path: name for entry, name in zip(whole, drawn, strict=True)}


def _equal(entries: Iterable[ImageFile], digests: dict[str, str]) -> list[list[ImageFile]]:
    """Groups of equal images, of two or more."""
    groups: defaultdict[str, list[ImageFile]] = defaultdict(list)
    for entry in entries:
        groups[digests[entry.path]].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def _count_by_split(
    source: DataSource, whole: Sequence[ImageFile], splits: dict[str, str], findings: Findings
) -> None:
    """Record the images of each class, and of each group that is cut, by split."""
    findings.by_split = {label: dict.fromkeys(SPLITS, 0) for label in source.classes}
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in whole:
        findings.by_split[entry.label][splits[entry.path]] += 1
        if entry.group is not None:
            groups[entry.group][splits[entry.path]] += 1
    findings.no_test_image = [label for label, n in findings.by_split.items() if not n["test"]]
    findings.groups_across_splits = {
        g: dict(counts) for g, counts in groups.items() if len(counts) > 1
    }


def _measure(looks: Sequence[ImageFacts], findings: Findings) -> None:
    """Record formats, sizes, modes and depths of the whole images."""
    whole = [seen for seen in looks if not seen.fault]
    findings.formats = dict(Counter(seen.kind for seen in whole).most_common())
    findings.modes = dict(Counter(seen.mode for seen in whole).most_common())
    findings.depths = dict(Counter(seen.depth for seen in whole).most_common())
    for place, side in enumerate(("width", "height")):
        lengths = sorted(seen.size[place] for seen in whole)
        if lengths:
            findings.sizes[side] = [lengths[0], lengths[len(lengths) // 2], lengths[-1]]
