"""What races and tuning decided, as JSON values of the report."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from orchestrator.analysis import racing
from orchestrator.analysis.run_data import RunData


def decision_facts(run_data: RunData) -> dict[str, Any]:
    """The decisions of a run, and what they saved."""
    saved, carried = racing.savings(run_data), run_data.decisions.carried_on
    return {
        "made": [to_builtins(made) for made in run_data.decisions.made],
        "carried_on": carried is not None,
        "image_epochs": saved.planned,
        "image_epochs_saved": saved.saved,
        "not_ranked": racing.unranked(run_data),
    }
