"""Examples: which test images a report shows."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.analysis.examples import collect_examples
from orchestrator.analysis.predictions import Predictions, TrialPredictions


def network(*confidences: float) -> TrialPredictions:
    """A network that predicts the second class for every image."""
    count = len(confidences)
    return TrialPredictions(
        np.ones(count, np.int32), np.array(confidences, np.float64), np.ones(count, np.int32)
    )


@pytest.mark.filterwarnings("error")
def test_an_image_without_any_confidence_comes_last_among_the_mistakes() -> None:
    """A broken network's confidences may all be NaN; no warning of numpy is shown for it."""
    unknown = float("nan")
    networks = {"a": network(unknown, unknown, 0.6), "b": network(unknown, 0.9, 0.8)}
    predictions = Predictions(
        ("a.png", "b.png", "c.png"), ("cat", "dog"), np.zeros(3, np.int32), {}
    )

    examples = collect_examples(predictions, networks)

    assert examples.all_wrong() == [1, 2, 0]
