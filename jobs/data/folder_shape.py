"""Recognise folders whose class folders lie at another level, by their names and shape."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TRAIN, VALIDATION, TEST, IMAGES, LABELS = "train", "validation", "test", "images", "labels"
SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "holdout"), TEST),
}
PARTS = {
    **dict.fromkeys(("image", "images", "img", "imgs", "jpegimages", "pngimages"), IMAGES),
    **dict.fromkeys(("label", "labels", "mask", "masks", "bbox", "bboxes", "gt"), LABELS),
    **dict.fromkeys(("input", "inputs"), IMAGES),
    **dict.fromkeys(("target", "targets"), LABELS),
    **dict.fromkeys(("annotation", "annotations", "annot", "annots"), LABELS),
    **dict.fromkeys(("groundtruth", "groundtruths", "segmentation", "segmentations"), LABELS),
    **dict.fromkeys(("segmentationclass", "segmentationobject"), LABELS),
}
SHOWN = 3
MAX_DEPTH = 12
"""Folders below this depth count as one."""
AS_CLASSES = "(If they are the classes: --classes-at-top.)"
GENERIC = {"data", "dataset", "set", "folder", "dir", "files", "images", "image", "imgs", "img"}
"""Words that do not distinguish: `train_images` and `test` are two splits of one data set."""
_SUFFIX = re.compile(r"(set|sets|data|images|imgs)$")


@dataclass(slots=True)
class Tree:
    """A folder: how many files lie directly in it, and the folders in it."""

    files: int = 0
    folders: dict[str, Tree] = field(default_factory=dict)

    @property
    def only_folders(self) -> bool:
        """Whether it holds folders and no file of its own."""
        return bool(self.folders) and not self.files


def tree(classes: Iterable[str], paths: Iterable[str]) -> Tree:
    """The folders of files given by their relative paths; a class may be empty."""
    root = Tree(folders={label: Tree() for label in classes})
    known: dict[str, Tree] = {}
    for path in paths:
        where = path.rpartition("/")[0]
        folder = known.get(where)
        if folder is None:
            folder = root
            for part in where.split("/")[:MAX_DEPTH]:
                folder = folder.folders.setdefault(part, Tree())
            known[where] = folder
        folder.files += 1
    return root


def fault(folder: Path, root: Tree) -> str | None:
    """Why the folders in `folder` are not its classes, and which folder was meant; else None."""
    tops = root.folders
    if split := _split(tops):
        return _hint(
            f"{folder} is split already: {_listed(split)} are not classes. Name all folders train, "
            "validation and test, and the split is kept. Else orch draws its own",
            _meant(folder, root),
        )
    if parts := _images_and_labels(tops):
        return _hint(
            f"{folder} holds {_listed(parts)}: images beside labels, not classes",
            _meant(folder, root),
        )
    for name, top in tops.items():
        beside = _images_and_labels(top.folders) or _labels_beside_files(top)
        if beside:
            return _hint(
                f"the class folder {folder / name} holds {_listed(beside)}: labels or masks "
                "would be read as images of the class. Move them elsewhere",
                None,
            )
        if top.only_folders and len(shared := _shared(top, tops, name)) > 1:
            return _hint(
                f"{folder / name} holds folders named like classes beside it "
                f"({_listed(shared)}). Move one of the two elsewhere",
                folder / name,
            )
    return _one_level_too_high(folder, tops)


def split_within_classes(root: Tree) -> list[str]:
    """The names of folders like `train` and `test` within classes; empty unless in every one."""
    splits = [_split(top.folders) for top in root.folders.values()]
    return sorted({name for names in splits for name in names}) if all(splits) else []


def alike(classes: Sequence[str]) -> list[list[str]]:
    """Classes whose names differ only in case, spaces, Unicode form or invisible characters."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in classes:
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
        seen = "".join(each for each in plain if unicodedata.category(each) != "Cf")
        groups[" ".join(seen.split())].append(label)
    return [group for group in groups.values() if len(group) > 1]


def _one_level_too_high(folder: Path, tops: Mapping[str, Tree]) -> str | None:
    """The fault of a folder whose folders hold the class folders."""
    if len(tops) == 1:
        name, top = next(iter(tops.items()))
        meant = _meant(folder / name, top) if top.only_folders else None
        if meant is None:
            return None
        return (
            f"{folder} holds one class only ('{name}'), and that folder holds only folders. "
            f"Give {shlex.quote(str(meant))} if the class folders lie in it."
        )
    parents = [name for name, top in tops.items() if top.only_folders and _several(top)]
    if len(parents) < 2 or 2 * len(parents) <= len(tops):
        return None
    if all(_split(tops[name].folders) for name in parents):
        return None
    below = [each for name in parents if (each := _meant(folder / name, tops[name]))]
    names = sorted({inner for name in parents for inner in tops[name].folders})
    return _hint(
        f"{folder}: {_listed(parents)} hold only folders ({_listed(names)}), so it is not clear "
        "which are the classes",
        *below,
    )


def _several(top: Tree) -> bool:
    return len(top.folders) > 1 or any(_several(inner) for inner in top.folders.values())


def _meant(folder: Path, node: Tree) -> Path | None:
    """The first folder at or below `folder` that holds class folders; training images first."""
    images = [name for name in node.folders if _kind(name, PARTS)[0] != LABELS]
    order = sorted(images, key=lambda name: (_kind(name, SPLITS)[0] != TRAIN, name))
    if not _split(node.folders) and not _images_and_labels(node.folders):
        filled = [inner for inner in node.folders.values() if inner.files]
        if len(filled) > 1 or (filled and len(node.folders) > 1):
            return folder
    candidates = (_meant(folder / name, node.folders[name]) for name in order)
    return next((each for each in candidates if each), None)


def _split(names: Iterable[str]) -> list[str]:
    """Names such as `train` and `test`, or `seg_train` and `seg_test`, that name one split."""
    return next(_of_several_kinds(names, SPLITS), [])


def _images_and_labels(names: Iterable[str]) -> list[str]:
    """Names such as `images` and `masks`, or all of them if each names images or labels."""
    listed = list(names)
    kinds = {_kind(name, PARTS)[0] for name in listed}
    return listed if kinds == {IMAGES, LABELS} else next(_of_several_kinds(listed, PARTS), [])


def _labels_beside_files(top: Tree) -> list[str]:
    """Folders of labels or masks within a class that has files of its own."""
    return [n for n in top.folders if top.files and _kind(n, PARTS) == (LABELS, ())]


def _of_several_kinds(names: Iterable[str], kinds: Mapping[str, str]) -> Iterator[list[str]]:
    """Groups of names that differ only in a word of `kinds`, and name two kinds or more."""
    groups: defaultdict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        kind, rest = _kind(name, kinds)
        if kind:
            groups[rest][name] = kind
    for group in groups.values():
        if len(set(group.values())) > 1:
            yield list(group)


def _kind(name: str, kinds: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """What a folder's name says it holds, and the other words of the name."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.findall(r"[a-z]+", spaced.casefold().replace("ground_truth", "groundtruth"))
    for place, word in enumerate(words):
        kind = kinds.get(word) or kinds.get(_SUFFIX.sub("", word))
        if kind:
            others = words[:place] + words[place + 1 :]
            return kind, tuple(other for other in others if other not in GENERIC)
    return "", ()


def _shared(top: Tree, tops: Mapping[str, Tree], name: str) -> list[str]:
    """Folders within a class that are named like another class."""
    others = {other.casefold() for other in tops if other != name}
    return sorted(inner for inner in top.folders if inner.casefold() in others)


def _hint(what: str, *meant: Path | None) -> str:
    places = [shlex.quote(str(place)) for place in meant if place]
    advice = f"Give {_listed(places, 'or')}" if places else "Give a folder of class folders"
    return f"{what}. {advice}. {AS_CLASSES}"


def _listed(names: Sequence[str], word: str = "and") -> str:
    """The first names in words: `a, b and c`."""
    shown = list(names[:SHOWN])
    if len(names) > SHOWN:
        return f"{', '.join(shown)} {word} {len(names) - SHOWN} more"
    return f" {word} ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
