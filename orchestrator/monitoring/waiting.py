"""Why tasks wait, as far as the heartbeats of workers tell."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.monitoring.heartbeats import Heartbeat


def reason(state: str, workers: Sequence[Heartbeat]) -> str | None:
    """Why a run of this state waits, from its living workers; None if unknown, or if it does not.

    A worker's trouble may be a full disk, permissions, a pause, or the broker.
    """
    if state != "waiting":
        return None
    if not workers:
        return "no worker is alive"
    if all(worker.loading for worker in workers):
        return "workers load torch"
    troubles = {worker.trouble: worker.name for worker in workers if worker.trouble}
    return "; ".join(f"{name}: {trouble}" for trouble, name in troubles.items()) or None
