"""Features of images, computed once where only the last layer of a network is trained.

They are kept in the store, by what determines them: data set, values of the network, numerics.
"""

from __future__ import annotations

import logging
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
from jobs.store.records import FeaturesRecord
from jobs.store.store import Store
from jobs.task import Trial
from models.checkpoints.files import Summing, weights_digest
from models.data import array
from models.data.augment import centred
from models.data.batches import Batch, Data, Indices, batches, cut
from models.data.decode import Pixels
from models.networks.linear_probe import Head, features_seen, find_head, require_head
from models.training.inference import predict_split
from models.training.learner import Learner, normalised

log = logging.getLogger(__name__)
TRAINED_ON = ("train", "validation")
Tell = Callable[[int, int], None]


def begin_head(
    store: Store, trial: Trial, data: Data, learner: Learner, values: frozenset[str], tell: Tell
) -> Data:
    """Features of the training and validation images in place of the images.

    From then on the learner's scores are those of the last layer. `tell(done, total)` counts images
    while features are computed. Raises `BadSpec` for a network without a single last layer.
    """
    head = find_head(trial.backbone, learner.network, values)
    rows = np.sort(np.concatenate([data.splits[name] for name in TRAINED_ON]))
    key = _key(trial, learner, values)
    folder = store.features_folder
    features = _kept(folder, key)
    if features is None or len(features) != len(rows):
        _require(trial, learner, head, data, rows)
        features = _computed(folder, key, trial, learner, head, data, rows, tell)
    learner.head = head
    places = {name: np.searchsorted(rows, data.splits[name]) for name in TRAINED_ON}
    nothing = np.empty(0, np.int64)
    return replace(
        data,
        images=features,
        labels=data.labels[rows],
        paths=tuple(data.paths[row] for row in rows),
        splits={**places, "test": nothing},
        resident=None,
        side=0,
    )


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


def _kept(folder: Path, key: str) -> Pixels | None:
    """The features in the store, as a memory map; None where they are not there or damaged."""
    try:
        record = codec.read(folder / f"{key}.json", FeaturesRecord)
        if record is None:
            return None
        path = folder / Path(record.file).name
        if atomic.file_digest(path) == record.sha256:
            return array.read(path)
        problem = "its checksum does not match"
    except (DamagedFile, FileNotFoundError, ValueError) as error:
        problem = " ".join(str(error).split())[:200]
    log.warning("the features %s are computed again: %s", key, problem)
    (folder / f"{key}.json").unlink(missing_ok=True)
    return None


def _require(trial: Trial, learner: Learner, head: Head, data: Data, rows: Indices) -> None:
    """Raise `BadSpec` unless the first images get their scores from the last layer alone."""
    few = next(iter(batches(data, cut(rows[:2], 2), learner.device)))
    images = normalised(centred(few.images, data.image_side), by=learner.normalisation)
    require_head(trial.backbone, head, learner.network, images)


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


def _computed(
    folder: Path,
    key: str,
    trial: Trial,
    learner: Learner,
    head: Head,
    data: Data,
    rows: Indices,
    tell: Tell,
) -> Pixels:
    """Compute the features of these images and keep them; whoever keeps them first decides."""

    def features(batch: Batch) -> Tensor:
        with features_seen(head) as seen:
            learner.scores(batch)
        return seen[0]

    chosen = replace(data, splits={"features": rows})
    path = folder / f"{key}-{uuid.uuid4().hex[:8]}.npy"
    with atomic.atomic_write(path) as draft, draft.open("wb") as handle:
        summing = Summing(handle)
        writer, done = _Writer(cast(IO[bytes], summing), len(rows)), 0
        for piece, _, values in predict_split(learner, chosen, "features", compute=features):
            writer.write(values)
            done += len(piece)
            tell(done, len(rows))
    record = FeaturesRecord(
        file=path.name,
        sha256=summing.digest.hexdigest(),
        data=trial.data,
        backbone=trial.backbone,
        shape=writer.shape,
    )
    if not atomic.create_json(folder / f"{key}.json", codec.encode(record)):
        first = _kept(folder, key)
        if first is not None:
            path.unlink(missing_ok=True)
            return first
        atomic.write_json(folder / f"{key}.json", codec.encode(record))
    return array.read(path)
