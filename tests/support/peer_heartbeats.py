"""Heartbeats of workers that do not run, made from what they would tell their peers."""

from __future__ import annotations

from typing import Any

from jobs.store import codec
from jobs.store.records import HeartbeatRecord
from workers.scheduling.handover import Handover


def heartbeat_of(hand: Handover, at: float) -> dict[str, Any]:
    """The heartbeat of a worker with one slot, at this time."""
    training = hand.running_training()
    return codec.encode(
        HeartbeatRecord(
            name=hand.name,
            host=hand.host,
            pid=1,
            device=hand.device,
            task=training.task if training else None,
            at=at,
            rates=dict(hand.rates),
            busy=training is not None,
            settled=hand.settled,
            training=training,
        )
    )
