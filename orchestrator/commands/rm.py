"""`orch rm`: remove a run, and what no other run shares with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from jobs.errors import RequestError
from jobs.settings import Settings
from orchestrator.terminal.options import call, emit, examples, json_option, store_option

if TYPE_CHECKING:
    from jobs.maintenance.removal import Removal

STOPPING_S = 60.0
LOOK_S = 0.5
SHOWN = 20


@click.command("rm", epilog=examples("orch rm digits-3x10-1f3a9c --dry-run"))
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@json_option
@store_option
@click.pass_obj
def rm_command(settings: Settings, run: str, dry_run: bool, as_json: bool) -> None:
    """Remove a run with its results, checkpoints, reports and exports in the store.

    Trials and data sets that other runs share are kept. A run whose tasks are running has to be
    cancelled first. Source images are never touched.
    """
    from jobs.maintenance import removal
    from jobs.store.store import Store
    from orchestrator import preflight

    store = Store(settings.store).open()
    chosen = store.load_run(run)
    found = removal.plan_removal(store, chosen)
    _require_idle(settings, store, chosen, found, waits=not dry_run)
    if not dry_run:
        preflight.require_writable(settings.store)
        found = removal.remove_run(store, chosen)
    if as_json:
        emit(
            {
                "run": run,
                "removed": not dry_run,
                "bytes": found.bytes,
                "items": [
                    {"path": str(item.path.relative_to(store.root)), "bytes": item.bytes}
                    for item in found.items
                ],
                "shared": list(found.shared),
            }
        )
    else:
        _tell(settings, run, found, dry_run)


def _require_idle(settings: Settings, store: Any, run: Any, found: Removal, waits: bool) -> None:
    """Raise `RequestError` while the run's tasks are running.

    If it is cancelled, its tasks end after their step, which is waited for.
    """
    cancelled = store.is_cancelled(run.name)
    until = time.monotonic() + (STOPPING_S if cancelled and waits else 0)
    while running := _running(store, run, found, cancelled):
        if not cancelled:
            raise RequestError(
                f"{len(running)} task(s) of {run.name} are running. Cancel it first: "
                f"{call(settings, 'cancel', run.name)}"
            )
        if time.monotonic() >= until:
            raise RequestError(
                f"{len(running)} task(s) of {run.name} are still stopping, such as {running[0]}. "
                "Nothing was removed. Try again in a moment."
            )
        time.sleep(LOOK_S)


def _running(store: Any, run: Any, found: Removal, cancelled: bool) -> list[str]:
    """The run's tasks that live workers say they are at.

    Of a cancelled run only those whose files would be removed: others go on for other runs.
    """
    from jobs.task import Task
    from orchestrator.monitoring import heartbeats

    own = set(run.tasks)
    busy = {
        task for sign in heartbeats.read_heartbeats(store.root) if sign.fresh for task in sign.tasks
    }
    if cancelled:
        return sorted(task for task in busy if Task.parse(task).subject in found.doomed)
    return sorted(busy & own)


def _tell(settings: Settings, run: str, found: Removal, dry_run: bool) -> None:
    for item in sorted(found.items, key=lambda each: -each.bytes)[:SHOWN] if dry_run else ():
        click.echo(f"{item.bytes / 1e6:>10,.1f} MB  {item.path}")
    if dry_run and len(found.items) > SHOWN:
        click.echo(f"{'':>13}  and {len(found.items) - SHOWN:,} more (--json lists all)")
    kept = f"; {len(found.shared)} trial(s) and data set(s) that other runs share are kept"
    size = f"{found.bytes / 1e6:,.1f} MB"
    click.echo(
        f"run {run}: {size} {'can be removed' if dry_run else 'removed'}"
        + (kept if found.shared else "")
    )
    if dry_run:
        click.echo(f"remove it with: {call(settings, 'rm', run)}")
