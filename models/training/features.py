"""Features of images, computed once where only the last layer of a network is trained.

They are kept in the store, by what determines them: data set, values of the network, numerics.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from torch import Tensor

from jobs import atomic
from jobs.atomic import json_digest
from jobs.errors import DamagedFile
from jobs.store import codec
from jobs.store.features import FeaturesRecord
from jobs.store.store import Store
from jobs.task import Trial
from models.checkpoints.files import Summing, weights_digest
from models.data import array
from models.data.augment import centred
from models.data.batches import Batch, Data, Indices, batches, cut
from models.data.decode import Pixels
from models.networks.linear_probe import Head, features_seen, find_head, require_head
from models.runtime.resource_meter import Meter
from models.training.inference import predict_split
from models.training.learner import Learner, normalised

log = logging.getLogger(__name__)
TRAINED_ON = ("train", "validation")
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Features:
    """What the last layer of a network gets of each training and validation image.

    `rows` are the images in the data set. `record` tells what their computation took. `head` is
    that layer.
    """

    head: Head
    rows: Indices
    values: Pixels
    record: FeaturesRecord


def begin_head(
    store: Store, trial: Trial, data: Data, learner: Learner, values: frozenset[str], tell: Tell
) -> tuple[Data, FeaturesRecord]:
    """Features of the training and validation images in place of the images, with their record.

    From then on the learner's scores are those of the last layer. Raises what `features_of` raises.
    """
    given = features_of(store, trial, data, learner, values, tell)
    rows, features = given.rows, given.values
    learner.head = given.head
    places = {name: np.searchsorted(rows, data.splits[name]) for name in TRAINED_ON}
    nothing = np.empty(0, np.int64)
    seen = replace(
        data,
        images=features,
        labels=data.labels[rows],
        paths=tuple(data.paths[row] for row in rows),
        splits={**places, "test": nothing},
        resident=None,
        side=0,
    )
    return seen, given.record


def features_of(
    store: Store,
    trial: Trial,
    data: Data,
    learner: Learner,
    values: frozenset[str],
    tell: Tell,
    averaged: bool = False,
) -> Features:
    """The features in the store, else computed now and kept.

    `tell(done, total)` counts images meanwhile. `averaged` ones may be means over all places of an
    image, where the last layer is a convolution: such features would fill disks. Raises `BadSpec`
    for a network without a single last layer.
    """
    head = find_head(trial.backbone, learner.network, values)
    rows = np.sort(np.concatenate([data.splits[name] for name in TRAINED_ON]))
    key, folder = _key(trial, learner, values), store.features_folder
    for name in (key, f"{key}-mean") if averaged else (key,):
        kept = _kept(folder, name)
        if kept is not None and len(kept[0]) == len(rows):
            return Features(head, rows, *kept)
    placed = _require(trial, learner, head, data, rows)
    name = f"{key}-mean" if averaged and placed else key
    making = _Making(folder, name, trial, learner, head, averaged and placed)
    return Features(head, rows, *making.computed(data, rows, tell))


def _key(trial: Trial, learner: Learner, values: frozenset[str]) -> str:
    """The name of the features of a trial: a hash of all that can change them."""
    state = learner.network.state_dict()
    body = {name: value for name, value in state.items() if name not in values}
    facts = {
        "data": trial.data,
        "backbone": trial.backbone,
        "source": None if trial.network is None else trial.network.source,
        "values": weights_digest(body),
        "normalisation": list(map(list, learner.normalisation)),
        "precision": learner.precision,
        "threads": torch.get_num_threads() if learner.device.type == "cpu" else None,
        "device": learner.device.type,
        "deterministic": trial.recipe.deterministic,
    }
    return json_digest(facts)[:16]


def _kept(folder: Path, key: str) -> tuple[Pixels, FeaturesRecord] | None:
    """The features in the store, as a memory map, and their record.

    None where they are not there or damaged.
    """
    try:
        record = codec.read(folder / f"{key}.json", FeaturesRecord)
        if record is None:
            return None
        path = folder / Path(record.file).name
        if atomic.file_digest(path) == record.sha256:
            return array.read(path), record
        problem = "its checksum does not match"
    except (DamagedFile, FileNotFoundError, ValueError) as error:
        problem = " ".join(str(error).split())[:200]
    log.warning("the features %s are computed again: %s", key, problem)
    (folder / f"{key}.json").unlink(missing_ok=True)
    return None


def _require(trial: Trial, learner: Learner, head: Head, data: Data, rows: Indices) -> bool:
    """Raise `BadSpec` unless the first images get their scores from the last layer alone.

    Returns whether that layer gets features of several places of an image.
    """
    few = next(iter(batches(data, cut(rows[:2], 2), learner.device)))
    images = normalised(centred(few.images, data.image_side), by=learner.normalisation)
    return require_head(trial.backbone, head, learner.network, images).ndim > 2


@dataclass(slots=True)
class _Writer:
    """Writes features as they come; the first ones tell the shape of all."""

    handle: IO[bytes]
    count: int
    shape: tuple[int, ...] = ()

    def write(self, features: Tensor) -> None:
        values = features.contiguous()
        if values.dtype == torch.bfloat16:  # NumPy has no such type: their bits are stored
            values = values.view(torch.int16)
        if not self.shape:
            self.shape = (self.count, *values.shape[1:])
            described = {
                "descr": np.lib.format.dtype_to_descr(values.numpy().dtype),
                "fortran_order": False,
                "shape": self.shape,
            }
            np.lib.format.write_array_header_1_0(self.handle, described)
        self.handle.write(values.numpy().data)


@dataclass(frozen=True, slots=True)
class _Making:
    """Computes features and keeps them under a name; whoever keeps them first decides."""

    folder: Path
    name: str
    trial: Trial
    learner: Learner
    head: Head
    averaged: bool

    def computed(self, data: Data, rows: Indices, tell: Tell) -> tuple[Pixels, FeaturesRecord]:
        """The features of these images as a memory map, and their record."""
        path = self.folder / f"{self.name}-{uuid.uuid4().hex[:8]}.npy"
        meter, started = Meter.begin(self.learner.device, 0.0), time.monotonic()
        with atomic.atomic_write(path) as draft, draft.open("wb") as handle:
            summing = Summing(handle)
            writer = self._write(cast(IO[bytes], summing), data, rows, tell)
        record = FeaturesRecord(
            file=path.name,
            sha256=summing.digest.hexdigest(),
            data=self.trial.data,
            backbone=self.trial.backbone,
            shape=writer.shape,
            seconds=time.monotonic() - started,
            energy_joules=meter.joules(),
            trial=self.trial.name,
        )
        if not atomic.create_json(self.folder / f"{self.name}.json", codec.encode(record)):
            first = _kept(self.folder, self.name)
            if first is not None:
                path.unlink(missing_ok=True)
                return first
            atomic.write_json(self.folder / f"{self.name}.json", codec.encode(record))
        return array.read(path), record

    def _write(self, handle: IO[bytes], data: Data, rows: Indices, tell: Tell) -> _Writer:
        chosen = replace(data, splits={"features": rows})
        writer, done = _Writer(handle, len(rows)), 0
        for piece, _, values in predict_split(
            self.learner, chosen, "features", compute=self._features
        ):
            writer.write(values)
            done += len(piece)
            tell(done, len(rows))
        return writer

    def _features(self, batch: Batch) -> Tensor:
        with features_seen(self.head) as seen:
            self.learner.scores(batch)
        return self.head.averaged(seen[0]) if self.averaged else seen[0]
