"""`orch cancel`: stop a run; tasks that it shares with other runs continue."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import call, emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import run_argument


@click.command(epilog=examples("orch cancel digits-3x10-1f3a9c"))
@run_argument()
@json_option
@store_option
@click.pass_obj
def cancel_command(settings: Settings, run: str | None, as_json: bool) -> None:
    """Cancel a run: its tasks stop after the current step. Results and checkpoints are kept.

    Without RUN, it is the only one with open tasks; if there are several, they are listed. That of
    another user has to be named. Tasks that another run also needs continue. 'orch resume RUN'
    undoes the cancellation. Of a run whose own tasks are over, only what 'orch bench' and
    'orch evaluate' added is cancelled.
    """
    from jobs.store import run_outlines
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.monitoring.status import run_status
    from orchestrator.submission import cancel
    from orchestrator.terminal import latest
    from orchestrator.this_user import other_submitter

    store = Store(settings.store).open()
    run = latest.only_open(store) if run is None else run
    chosen = run_outlines.run_or_outline(store, run)
    run_status(store, chosen)  # a damaged or newer record is named before anything is written
    preflight.require_writable(settings.store)
    cancelled = cancel.cancel(store, chosen)
    if as_json:
        facts = {"run": run, "cancelled": cancelled.whole, "dropped": list(cancelled.dropped)}
        emit(facts | {"tasks": run_status(store, run_outlines.run_or_outline(store, run)).tasks})
    elif cancelled.dropped:
        click.echo(
            f"run {run}: {len(cancelled.dropped)} task(s) of 'orch bench' or 'orch evaluate' are "
            "cancelled; its other results stay. Give the same command again to go on"
        )
    elif cancelled.whole:
        theirs = other_submitter(chosen.provenance)
        whose = f" of {theirs}" if theirs else ""
        click.echo(f"run {run}{whose} is cancelled. Continue with: {call(settings, 'resume', run)}")
    else:
        click.echo(f"run {run} is done; there is nothing to cancel")
