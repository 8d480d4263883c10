"""Compare the answers of a runtime on all test images with torch's in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from jobs.errors import Stopped
from models.data.batches import Data
from models.export import parity
from models.export.parity import Answer, Parity, Scores
from models.networks.of_trial import Normalisation
from models.runtime.progress import ProgressEstimator, Tell

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """Classes of the test images: true ones, those of torch in float32, and the runtime's."""

    data: Data
    labels: npt.NDArray[np.int64]
    float32: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    parity: Parity

    @property
    def facts(self) -> Row:
        """Counts for the table `benchmarks`."""
        right, before = self.predicted == self.labels, self.float32 == self.labels
        return {
            "correct": int(right.sum()),
            "total": len(self.labels),
            "float32_correct": int(before.sum()),
            "only_float32_correct": int((before & ~right).sum()),
            "only_this_correct": int((right & ~before).sum()),
            "same_answers": int((self.predicted == self.float32).sum()),
            "max_score_difference": self.parity.max_score_difference,
        }

    def rows(self, who: Row) -> list[Row]:
        """A row of `benchmark_differences` for each image that is answered otherwise."""
        label = dict(zip(self.data.paths, self.data.labels, strict=True))
        return [
            who
            | {
                "image": other.image,
                "label": self.data.classes[label[other.image]],
                "float32_predicted": other.torch,
                "predicted": other.exported,
                "float32_margin": other.margin,
            }
            for other in self.parity.others
        ]


def compare(
    data: Data,
    by: Normalisation,
    network: nn.Module,
    answer: Answer | None,
    tell: Tell,
    should_stop: Callable[[], bool],
) -> Compared:
    """Ask torch and a runtime about all test images; without `answer`, torch alone."""
    test = data.splits["test"]
    progress, of_torch = ProgressEstimator(tell, len(test)), parity.of_network(network)
    reference, scores, done = list[Scores](), list[Scores](), 0
    for images in parity.batches(data, test, by):
        if should_stop():
            raise Stopped(
                f"a benchmark was stopped after {done} of {len(test)} test images. It will start "
                "again."
            )
        reference.append(of_torch(images))
        scores.append(reference[-1] if answer is None else answer(images))
        done += len(images)
        progress.advance(len(images))
        progress.say("compare", done, len(test))
    wanted, given = np.concatenate(reference), np.concatenate(scores)
    differences = parity.differences(data, test, wanted, given)
    return Compared(data, data.labels[test], wanted.argmax(1), given.argmax(1), differences)
