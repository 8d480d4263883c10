"""Predictions as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.evaluation.predict import ImagePredictions
    from orchestrator.analysis.trained_models import TrainedModels


def facts(
    run: str,
    split: int | None,
    chosen: TrainedModels,
    answered: list[ImagePredictions],
    device: str,
    unread: Mapping[Path, str],
    faults: Mapping[str, str],
) -> dict[str, Any]:
    """What `orch predict --json` prints."""
    return {
        "run": run,
        **({} if split is None else {"split_seed": split}),
        "device": device,
        "confidence": "mean softmax over the seeds of a backbone",
        "backbones": {
            name: [{"trial": task.subject, "epoch": task.epoch} for task in tasks]
            for name, tasks in chosen.trials.items()
        },
        "not_evaluated": list(chosen.absent),
        "images": [_answers(each) for each in answered if not each.broken],
        "broken": [
            {"image": str(each.image), "reason": each.broken} for each in answered if each.broken
        ]
        + [{"image": str(path), "reason": why} for path, why in unread.items()],
        "faults": dict(faults),
    }


def _answers(each: ImagePredictions) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "image": str(each.image),
        "known": asdict(each.known) if each.known else None,
        "answers": [
            {
                "backbone": answer.backbone,
                "answer": answer.top[0].label,
                "confidence": answer.top[0].confidence,
                "top": [asdict(choice) for choice in answer.top],
            }
            for answer in each.answers
        ],
    }
