"""`orch cancel`: stop a run; tasks that it shares with other runs continue."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import call, emit, examples, json_option, store_option


@click.command(epilog=examples("orch cancel digits-3x10-1f3a9c"))
@click.argument("run")
@json_option
@store_option
@click.pass_obj
def cancel_command(settings: Settings, run: str, as_json: bool) -> None:
    """Cancel a run: its tasks stop after the current step. Results and checkpoints are kept.

    Tasks that another run also needs continue. 'orch resume RUN' undoes the cancellation.
    """
    from orchestrator import api, preflight

    chosen = api.open_store(settings.store).run(run)
    status = chosen.status()
    preflight.require_writable(settings.store)
    over = status.state == "done"
    if not over:
        chosen.cancel()
    if as_json:
        emit({"run": run, "cancelled": not over, "tasks": status.tasks})
    elif over:
        click.echo(f"run {run} is done; there is nothing to cancel")
    else:
        click.echo(f"run {run} is cancelled. Continue with: {call(settings, 'resume', run)}")
