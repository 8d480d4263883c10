"""`orch resume` enqueues the ready tasks of a run; `orch retry` first resets failures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings
from orchestrator.submission import launch
from orchestrator.terminal.options import call, emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store


@click.command(
    epilog=examples("orch resume digits-3x10-1f3a9c --wait", "orch resume digits-3x10-1f3a9c --all")
)
@run_argument()
@click.option(
    "--all",
    "carry_on",
    is_flag=True,
    help="Also carry on the trials that --race or --tune has stopped; nothing more is decided.",
)
@launch.options
@json_option
@store_option
@click.pass_obj
def resume_command(
    settings: Settings,
    run: str | None,
    carry_on: bool,
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Continue a run: start the broker and workers missing on this machine, enqueue ready tasks.

    Without RUN, it is the latest with anything left to do, a cancelled one too.

    The store records what is done, so nothing is done twice, even if the queue was lost.
    """
    return _again(settings, run, workers, device, wait, as_json, reset=False, carry_on=carry_on)


@click.command(epilog=examples("orch retry digits-3x10-1f3a9c"))
@run_argument()
@launch.options
@json_option
@store_option
@click.pass_obj
def retry_command(
    settings: Settings,
    run: str | None,
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Retry only the failed tasks of a run, from their last checkpoints. Tasks that depend on them
    follow. Without RUN, it is the latest with a failed task.
    """
    return _again(settings, run, workers, device, wait, as_json, reset=True)


def _again(
    settings: Settings,
    name: str | None,
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
    reset: bool,
    carry_on: bool = False,
) -> int:
    from jobs import readiness
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.submission import run_creation

    store = Store(settings.store).open()
    run = store.load_run(_latest(store, reset) if name is None else name)
    preflight.require_writable(settings.store)
    preflight.require_machine(settings, workers, device)
    if settings.broker_url is not None:
        preflight.require_broker(settings.broker_url)
    carried = _carried_on(store, run) if carry_on else []
    retried = run_creation.reset_failures(store, run) if reset else []
    if reset and not retried:
        return _nothing_failed(settings, run.name, as_json)
    store.reopen(run)
    still_open = "open" in readiness.task_states(store, run).values()
    again = f"; {len(retried)} failed task(s) to be tried again" if reset else ""
    again += f"; {len(carried)} stopped trial(s) go on, no more are stopped" if carry_on else ""
    said = [f"run {run.name} {'goes on' if still_open else 'has nothing left to do'}{again}"]
    facts: dict[str, Any] = {"goes_on": True, "retried": [task.id for task in retried]}
    facts |= {"carried_on": carried} if carry_on else {}
    only = {task.id for task in retried} if reset else None
    return launch.launch(settings, store, run, said, workers, device, wait, as_json, facts, only)


def _latest(store: Store, reset: bool) -> str:
    """The latest run with something to do again."""
    from orchestrator.terminal import latest

    if reset:
        return latest.latest_in(store, ("failed",), "a failed task")
    return latest.latest_in(store, ("open", "cancelled"), "anything left to do")


def _nothing_failed(settings: Settings, name: str, as_json: bool) -> int:
    if as_json:
        emit({"run": name, "goes_on": False, "retried": [], "sent": []})
    else:
        resume = call(settings, "resume", name)
        click.echo(f"no task of run {name} has failed. Continue it with: {resume}")
    return 0


def _carried_on(store: Store, run: Run) -> list[str]:
    """Carry the stopped trials of a run on; returns those. Raises `BadSpec` where none can stop."""
    from jobs.errors import BadSpec
    from jobs.store import decisions

    if not run.decision_epochs:
        raise BadSpec(
            f"the run {run.name} was submitted without --race and --tune, so it stops no trial. "
            "Leave out --all."
        )
    decided = decisions.read(store, run)
    stopped = list(decided.stopped_now)
    if not stopped and not decided.carried_on:
        raise BadSpec(
            f"no trial of the run {run.name} was stopped so far, so --all would only end its race "
            "or tuning. Leave out --all."
        )
    decisions.carry_on(store, run.name, time.time())
    return stopped
