"""The networks that figures and tables of pairs show, where a run has too many for all."""

from __future__ import annotations

from orchestrator.analysis.run_data import RunData

MAX_NETWORKS = 10


def foremost(run_data: RunData) -> list[str]:
    """At most `MAX_NETWORKS` networks, those with the highest test accuracy, in the run's order."""
    names = list(run_data.comparison.backbones)
    ranking = [each.backbone for each in run_data.leader.ranking] if run_data.leader else []
    best = list(dict.fromkeys([*ranking, *names]))[:MAX_NETWORKS]
    return [name for name in names if name in best]


def limit_told(run_data: RunData) -> str:
    """A sentence on the networks that are left out; empty where all are shown."""
    count = len(run_data.comparison.backbones)
    if count <= MAX_NETWORKS:
        return ""
    return f"Shown are the {MAX_NETWORKS} best of {run_data.compared}; report.json has all."
