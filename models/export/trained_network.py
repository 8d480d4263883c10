"""A trained network as a torch module, with its labels and the preparation of its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jobs.data.value_range import ValueRange
from jobs.errors import BadSpec
from jobs.store.store import Store
from jobs.task import Task
from models.data.decode import Broken, decode
from models.data.find_value_range import of_prepared
from models.data.image_file import read
from models.data.resize import Squaring
from models.evaluation import restore
from models.export import card
from models.networks import of_trial
from models.networks.of_trial import Normalisation
from models.training.learner import normalised


class TrainedNetwork(nn.Module):
    """Takes normalised images (n, 3, size, size) and gives scores (n, classes), in float32.

    `labels` are the classes in the order of the scores. `preparation` says how `prepare` makes the
    input of image files. It is in evaluation mode, on the processor.
    """

    def __init__(
        self,
        network: nn.Module,
        labels: tuple[str, ...],
        preparation: dict[str, Any],
        how: Squaring,
        by: Normalisation,
        values: ValueRange,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.preparation = network, labels, preparation
        self._how, self._by, self._values = how, by, values

    def forward(self, image: Tensor) -> Tensor:
        """Scores before softmax."""
        scores: Tensor = self.network(image).flatten(1).float()
        return scores

    def prepare(self, *paths: str | Path) -> Tensor:
        """The images as one batch, prepared as its training images were.

        Raises `BadSpec` for a file that is no complete image.
        """
        squares = []
        for path in map(Path, paths):
            try:
                squares.append(decode(read(path), self._how, self._values))
            except FileNotFoundError:
                raise BadSpec(f"the image {path} does not exist.") from None
            except (Broken, OSError) as error:
                raise BadSpec(f"{path} is not a complete image: {error}") from None
        pixels = torch.from_numpy(np.stack(squares)) if squares else None
        if pixels is None:
            raise BadSpec("no image was given to prepare.")
        return normalised(pixels, by=self._by).contiguous()


def load(store: Store, training: Task) -> TrainedNetwork:
    """The network as a finished training left it; raises `BadCheckpoint`."""
    trial = store.load_trial(training.subject)
    described, prepared = store.described(trial.data), store.done(Task("prepare", trial.data))
    learner = restore.learner(store, training, len(described.classes), "cpu")
    return TrainedNetwork(
        learner.network,
        described.classes,
        json.loads(card.preparation(trial, described, prepared)),
        Squaring.seen(described.settings),
        of_trial.normalisation_of(trial),
        of_prepared(described, prepared, member=False),
    ).eval()
