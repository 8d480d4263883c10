"""`orch status`: the runs of the store, or how far one of them is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from jobs.settings import Settings
from orchestrator.options import call, emit, examples, json_option, store_option
from orchestrator.words import duration, plain, share


@click.command(epilog=examples("orch status", "orch status digits-3x10-1f3a9c --attempts"))
@click.argument("run", required=False)
@click.option("--attempts", is_flag=True, help="List every attempt of the run: state, failure, worker, when, log.")
@json_option
@store_option
@click.pass_obj
def status(settings: Settings, run: str | None, attempts: bool, as_json: bool) -> None:
    """Show how far a run is; without RUN, list the runs of the store."""
    import time

    from jobs.store import Store
    from orchestrator import history
    from orchestrator import status as statuses

    if attempts and run is None:
        raise click.UsageError("--attempts needs the RUN whose attempts it lists (see 'orch status').")
    store, now = Store(settings.store).open(), time.time()
    if run is not None:
        found = statuses.look(store, store.load_run(run), now)
        tried = history.of_run(store, store.load_run(run)) if attempts else None
        if as_json:
            emit(_described(found) | ({} if tried is None else {"attempts": [asdict(each) for each in tried]}))
        else:
            _show(settings, found, now)
            _attempts(tried, now)
        return
    all_runs = [statuses.look(store, store.load_run(name), now) for name in store.run_names()]
    if as_json:
        emit({"store": str(settings.store), "runs": [_described(each) for each in all_runs]})
    else:
        _list(settings, all_runs, now)


def _described(found: Any) -> dict[str, Any]:
    return asdict(found)


def _list(settings: Settings, all_runs: list[Any], now: float) -> None:
    if not all_runs:
        click.echo(f"The store {settings.store} holds no run yet. Start one with: "
                   + call(settings, "submit", "--all-backbones"))
        return
    width = max(len(each.run) for each in all_runs)
    click.echo(f"{'run':<{width}}  state      tasks done  submitted")
    for each in all_runs:
        done = f"{each.tasks.get('done', 0)}/{sum(each.tasks.values())}"
        click.echo(f"{each.run:<{width}}  {each.state:<9}  {done:>10}  {duration(now - each.submitted_at)} ago")
    _workers(all_runs[-1])
    click.echo(f"one run in detail: {call(settings, 'status', all_runs[-1].run)}")


def _show(settings: Settings, found: Any, now: float) -> None:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(found.tasks.items()))
    click.echo(f"run {found.run}: {found.state}; tasks: {counts}; submitted {duration(now - found.submitted_at)} ago")
    if found.preparing != "done":
        click.echo(f"data set {found.data}: {'being prepared' if found.data_progress else found.preparing}")
    width = max(len(trial.trial) for trial in found.trials)
    click.echo(f"{'trial':<{width}}  state      period  epochs   accuracy  now")
    for trial in found.trials:
        epochs = f"{trial.epochs_done}/{trial.epochs}"
        stopped = [f"stopped early at epoch {trial.stopped_early}"] if trial.stopped_early is not None else []
        now_doing = "; ".join([*stopped, *(f"{p.phase or p.kind} on {p.worker}" for p in trial.progress)])
        click.echo(f"{trial.trial:<{width}}  {trial.state:<9}  {trial.period}/{trial.periods:<4}  {epochs:<7}  "
                   f"{share(trial.accuracy):>8}  {now_doing}".rstrip())
    for failure in found.failures:
        word = "quarantined" if failure.quarantined else "failed"
        click.echo(f"{word}: {failure.task} ({failure.failure}): {failure.message}\n  log: {failure.log}")
    _workers(found)
    if found.failures:
        click.echo(f"try again: {call(settings, 'retry', found.run)}")
    elif found.state == "waiting" and not found.workers:
        click.echo(f"no worker is alive. Start some with: {call(settings, 'up')}")


def _attempts(tried: list[Any] | None, now: float) -> None:
    """A line an attempt, its message and log under those that did not end well."""
    if tried is None:
        return
    if not tried:
        click.echo("no attempt has been made yet")
        return
    width = max(len(each.task) for each in tried)
    click.echo(f"{'task':<{width}}  attempt  state    failure           began       took      worker")
    for each in tried:
        began = "?" if each.started_at is None else f"{duration(now - each.started_at)} ago"
        took = duration(each.finished_at - each.started_at) if each.finished_at and each.started_at else "-"
        click.echo(f"{each.task:<{width}}  {each.attempt:>7}  {each.state:<7}  {each.failure or '-':<16}  {began:<10}  "
                   f"{took:<8}  {each.worker or '?'}".rstrip())
        if each.state in ("failed", "lost") and each.message:
            click.echo(f"  {plain(each.message)}\n  log: {each.log}")


def _workers(found: Any) -> None:
    named = ", ".join(sign.label for sign in found.workers)
    click.echo(f"workers alive: {named or 'none'}")
