"""How much of the training time went into features, where only the last layer is trained."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.cost import Cost
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.sections.foremost import MAX_NETWORKS


def told(run_data: RunData, costs: Sequence[Cost]) -> str:
    """What of the training times is the features'; empty where networks trained on images."""
    probes = {
        run_data.label(name)
        for name, trial in run_data.trials.items()
        if trial.recipe.finetune == "head"
    }
    known = [cost for cost in costs if cost.feature_seconds is not None]
    unknown = [one.backbone for one in costs if one.backbone in probes and one not in known]
    sentences = [_counted(known)] if known else []
    if shared := [cost.backbone for cost in known if cost.features_shared]:
        sentences.append(
            f"Features of {_named(shared)} were shared, or lay in the store already: they count as "
            "what they took when they were computed, as for someone who begins anew."
        )
    if unknown:
        sentences.append(
            f"How long the features of {_named(unknown)} took is not recorded, so it is not "
            "counted: these trainings took longer than shown."
        )
    return " ".join(sentences)


def _counted(known: Sequence[Cost]) -> str:
    parts = [
        f"{wording.duration(cost.feature_seconds)} for {wording.title(cost.backbone)}"
        for cost in known[:MAX_NETWORKS]
    ]
    return (
        "Where only the last layer is trained, training time begins with the features of all "
        f"training and validation images, computed once: {wording.listed(parts)}."
    )


def _named(backbones: Sequence[str]) -> str:
    shown = [wording.title(name) for name in backbones[:MAX_NETWORKS]]
    more = len(backbones) - len(shown)
    return wording.listed([*shown, f"{more} more"] if more else shown)
