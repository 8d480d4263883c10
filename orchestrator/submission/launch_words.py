"""What a launch has started and enqueued, and what is missing or failed, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobs.settings import Settings
from orchestrator.terminal.options import call

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.task import Task
    from orchestrator.local.stack import Stack


def lines_of(
    settings: Settings, run: Run, here: Stack, sent: list[Task], states: dict[str, str]
) -> list[str]:
    """What `begin` has started and enqueued, and what is missing or failed, in words."""
    lines = [*_of_stack(settings, here), _of_sent(sent, states)]
    return lines + _of_absence(settings, here, sent) + _of_failures(settings, states, run.name)


def _of_stack(settings: Settings, here: Any) -> list[str]:
    them = "it" if len(here.started) == 1 else "them"
    lines = (
        [f"started {', '.join(here.started)} ('{call(settings, 'down')}' stops {them})"]
        if here.started
        else []
    )
    running = len(here.workers) - sum(word.startswith("worker") for word in here.started)
    return lines + ([f"{running} local worker(s) already running"] if running else [])


def _of_sent(sent: Sequence[Any], states: dict[str, str]) -> str:
    if sent:
        return f"{len(sent)} task(s) enqueued; workers enqueue the following ones"
    return (
        "all tasks are already done"
        if set(states.values()) <= {"done", "stopped"}
        else "no task is ready to be enqueued"
    )


def _of_failures(settings: Settings, states: dict[str, str], run: str) -> list[str]:
    failed = sum(state == "failed" for state in states.values())
    return (
        [f"{failed} task(s) failed before. Retry them with: {call(settings, 'retry', run)}"]
        if failed
        else []
    )


def _of_absence(settings: Settings, here: Any, sent: Sequence[Any]) -> list[str]:
    """A warning if tasks were enqueued and no worker is alive."""
    from orchestrator.monitoring import heartbeats

    if (
        not sent
        or here.workers
        or any(sign.fresh for sign in heartbeats.read_heartbeats(settings.store))
    ):
        return []
    return [
        f"no worker is alive. Start some here with: {call(settings, 'up')}; on a GPU machine "
        f"with: {call(settings, 'worker')}"
    ]
