"""Sentences about training in micro-batches."""

from __future__ import annotations

from jobs.store.records import TaskResult
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording


def told(result: TaskResult | None) -> str:
    """`trained in 4 micro-batches since epoch 2 (out of memory)`; empty if it fit."""
    splits = (result and result.micro_batches) or ()
    if not splits:
        return ""
    most, first = max(split.parts for split in splits), min(split.epoch for split in splits)
    return (
        f"trained in {wording.count(most, 'micro-batch', 'micro-batches')} since epoch "
        f"{first} (out of memory)"
    )


def caution(run_data: RunData) -> str | None:
    """A caution that names the networks trained in micro-batches; None if there are none."""
    split = [
        f"{wording.title(run_data.label(name))} (seed {run_data.trials[name].seed}) was {said}"
        for name, result in run_data.training.items()
        if (said := told(result))
    ]
    if not split:
        return None
    return (
        f"{'; '.join(split)}. The steps are those of the whole batch, but batch norm statistics "
        "and dropout are computed for each part. So such a network was not trained exactly like "
        "the others."
    )
