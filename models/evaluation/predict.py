"""Predictions of every trained network for new images."""

from __future__ import annotations

import functools
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from jobs.data.value_range import ValueRange
from jobs.errors import BadCheckpoint, BadSpec, DamagedFile, NetworkDiffers, WorkError
from jobs.store import tables
from jobs.store.datasets import DataSetDescription
from jobs.store.records import TaskResult
from jobs.store.store import Store
from jobs.task import Task
from models.data import array, find_value_range
from models.data.batches import Batch
from models.data.decode import Broken, Pixels, decode
from models.data.image_file import read
from models.data.resize import Squaring
from models.evaluation import restore
from models.training.learner import Learner

BATCH_IMAGES = 64
TOP = 3
Shares = npt.NDArray[np.float32]
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LikelyClass:
    """A class and its confidence, 0..1."""

    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class NetworkPrediction:
    """One backbone's prediction for an image: top classes, mean softmax over its seeds."""

    backbone: str
    top: tuple[LikelyClass, ...]


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image of the run's own data set: true class and split."""

    label: str
    split: str


@dataclass(frozen=True, slots=True)
class ImagePredictions:
    """One image with the predictions of all backbones, or the reason why there are none."""

    image: Path
    broken: str | None
    known: KnownImage | None
    answers: tuple[NetworkPrediction, ...]


def predict(
    store: Store,
    data: str,
    trials: Mapping[str, Sequence[Task]],
    images: Sequence[Path],
    on: str,
    tell: Tell = lambda done, total: None,
    *,
    values: ValueRange | None = None,
    faults: dict[str, str] | None = None,
) -> list[ImagePredictions]:
    """Predictions of every backbone for each image; `trials` maps backbones to finished trainings.

    Images are prepared as for each network's training; `data` is the run's data set. `values` is
    another range for values beyond 8 bits.
    `tell(done, total)` counts images read and predictions made. Raises `BadSpec` for a missing
    device, `NetworkDiffers`, and for damage `BadCheckpoint` or `DamagedFile`. With `faults`, these
    are recorded there by trial or file instead, as long as any trial answers.
    """
    check_device(on)
    members = _members(store, data, faults)
    preparations = _by_data_set(store, data, trials)
    total = len(images) * (len(preparations) + sum(map(len, trials.values())))
    steps = itertools.count(1)
    answering = _Answering(
        store, images, members, values, on, faults, lambda count: tell(_skip(steps, count), total)
    )
    shares: dict[str, Shares] = {}
    for name, tasks in preparations.items():
        shares |= answering.ask_prepared(name, tasks)
    if answering.errors and not shares:
        raise answering.errors[-1]
    ordered = {name: shares[name] for name in trials if name in shares}
    answers = iter(_by_image(ordered, store.described(data).classes))
    broken = map(answering.reasons.get, images)
    return [
        ImagePredictions(image, why, members.get(digest), () if why else next(answers))
        for image, digest, why in zip(images, answering.digests, broken, strict=True)
    ]


def _skip(steps: Iterator[int], count: int) -> int:
    """Advance by so many steps; the last one."""
    return max(itertools.islice(steps, count))


def _whole(path: Path) -> Pixels:
    """The decoded images; none where all files are broken."""
    pixels = array.read(path)
    return pixels if len(pixels) else np.empty((0, 1, 1, 3), np.uint8)


def _by_data_set(
    store: Store, data: str, trials: Mapping[str, Sequence[Task]]
) -> dict[str, dict[str, Sequence[Task]]]:
    """The trainings by the preparation of their images; `data` is that of none."""
    by_data_set: dict[str, dict[str, Sequence[Task]]] = {}
    for backbone, tasks in trials.items():
        name = store.load_trial(tasks[0].subject).data if tasks else data
        by_data_set.setdefault(name, {})[backbone] = tasks
    return by_data_set or {data: {}}


def _range(
    values: ValueRange | None,
    described: DataSetDescription,
    facts: TaskResult | None,
    members: Container[str],
    digest: str,
) -> ValueRange:
    """The range of values for a file: the one given, else that of the data set."""
    return values or find_value_range.of_prepared(described, facts, digest in members)


@dataclass(slots=True)
class _Answering:
    """Asks the networks of a run about images, one preparation after the other.

    `advanced` is told of so many images read or answered. `reasons` says why images are broken, and
    `digests` are the checksums of their files.
    """

    store: Store
    images: Sequence[Path]
    members: Mapping[str, KnownImage]
    values: ValueRange | None
    on: str
    faults: dict[str, str] | None
    advanced: Callable[[int], None]
    errors: list[WorkError] = field(default_factory=list)
    reasons: dict[Path, str] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)

    def ask_prepared(self, data: str, trials: Mapping[str, Sequence[Task]]) -> dict[str, Shares]:
        """The mean answers of each backbone that answers, for images prepared as a data set is."""
        described, facts = self.store.described(data), self.store.done(Task("prepare", data))
        shown = functools.partial(_range, self.values, described, facts, self.members)
        how = Squaring.seen(described.settings)
        with tempfile.TemporaryDirectory(prefix="orch-predict-") as folder:
            path = Path(folder) / "images.npy"
            self.reasons, self.digests = _prepare(
                self.images, how, path, shown, lambda done: self.advanced(1)
            )
            pixels = _whole(path)
            answers = {
                name: self._asked(tasks, pixels, described) for name, tasks in trials.items()
            }
            del pixels
        return {name: shares for name, shares in answers.items() if shares is not None}

    def _asked(
        self, tasks: Sequence[Task], pixels: Pixels, described: DataSetDescription
    ) -> Shares | None:
        """The mean answers of a backbone's networks, one for each seed; None if none answers."""
        answers = []
        for task in tasks:
            answers += self._ask(task, pixels, len(described.classes))
            self.advanced(len(self.images))
        if not answers:
            return None
        return np.asarray(np.sum(answers, axis=0, dtype=np.float64) / len(answers), np.float32)

    def _ask(self, task: Task, pixels: Pixels, classes: int) -> list[Shares]:
        """The answers of one network; none if it is damaged, which is recorded or raises."""
        try:
            learner = restore.learner(self.store, task, classes, self.on)
        except (BadCheckpoint, NetworkDiffers) as error:
            if self.faults is None:
                raise
            self.faults[task.subject] = str(error)
            self.errors.append(error)
            return []
        return [softmax(learner, pixels)]


def _by_image(
    shares: Mapping[str, Shares], classes: Sequence[str]
) -> Iterator[tuple[NetworkPrediction, ...]]:
    """Predictions of every backbone for each whole image."""
    for rows in zip(*shares.values(), strict=True):
        yield tuple(
            NetworkPrediction(backbone, _top(row, classes))
            for backbone, row in zip(shares, rows, strict=True)
        )


def check_device(name: str) -> None:
    """Raise `BadSpec` unless torch has the device `cpu`, `cuda` or `cuda:0` here."""
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdecimal())):
        raise BadSpec(f"--device: {name[:80]!r} is not a device; give cpu, cuda or cuda:0.")
    if int(number or 0) >= count:
        raise BadSpec(
            f"--device: there is no {name}; torch finds {count} GPU(s). Give --device cpu."
        )


def softmax(learner: Learner, images: Pixels) -> Shares:
    """Softmax (n, classes) of images (n, s, s, 3), in evaluation mode."""
    learner.network.eval()
    parts: list[Shares] = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH_IMAGES):
            pixels = torch.from_numpy(np.array(images[start : start + BATCH_IMAGES])).to(
                learner.device
            )
            batch = Batch(pixels, torch.zeros(len(pixels), dtype=torch.int64))
            parts.append(torch.softmax(learner.scores(batch), 1).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _prepare(
    images: Sequence[Path],
    how: Squaring,
    target: Path,
    values: Callable[[str], ValueRange],
    tell: Callable[[int], None],
) -> tuple[dict[Path, str], list[str]]:
    """Decode images into the array at `target`; reasons of broken ones, and checksums of files.

    `values` gives the range for a file with this checksum.
    """
    writer, reasons, digests = array.ArrayWriter(target, how.size), dict[Path, str](), list[str]()
    for number, image in enumerate(images, 1):
        contents = b""
        try:
            contents = read(image)
            writer.append(decode(contents, how, values(_digest(contents))))
        except Broken as error:
            reasons[image] = str(error)
        except OSError as error:
            reasons[image] = error.strerror or "cannot be read"
        digests.append(_digest(contents))
        tell(number)
    writer.close()
    return reasons, digests


def _digest(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def _members(store: Store, data: str, faults: dict[str, str] | None) -> dict[str, KnownImage]:
    """Images of the data set by the checksum of their files; none without a manifest."""
    path = store.manifest_path(data)
    if not path.exists():
        return {}
    try:
        rows = tables.read_table(path, tables.MANIFEST, ["sha256", "label", "split"]).to_pylist()
    except DamagedFile as error:
        if faults is None:
            raise
        faults[path.name] = str(error)
        return {}
    rows.sort(key=lambda row: row["split"] == "train")  # of equal images, the one trained on
    return {row["sha256"]: KnownImage(row["label"], row["split"]) for row in rows}


def _top(shares: Shares, classes: Sequence[str]) -> tuple[LikelyClass, ...]:
    """The top classes; ties in order of name."""
    order = np.argsort(-shares, kind="stable")[:TOP]
    return tuple(LikelyClass(classes[index], float(shares[index])) for index in order)
