"""`orch rm`: remove a run, and what no other run shares with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.settings import Settings
from orchestrator.formatting import megabytes
from orchestrator.terminal.options import call, emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from jobs.maintenance.removal import Removal
    from jobs.store.runs import Run, RunOutline

SHOWN = 20


@click.command("rm", epilog=examples("orch rm digits-3x10-1f3a9c --dry-run"))
@run_argument(required=True)
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@click.option("--of", "submitter", metavar="USER", help="Remove it although USER submitted it.")
@json_option
@store_option
@click.pass_obj
def rm_command(
    settings: Settings, run: str, dry_run: bool, submitter: str | None, as_json: bool
) -> None:
    """Remove a run with its results, checkpoints, reports and exports in the store.

    Trials and data sets that other runs share are kept. A run whose tasks are running has to be
    cancelled first. A run that somebody else submitted is removed only with --of. Source images are
    never touched.
    """
    from jobs.maintenance import removal as removals
    from jobs.store import run_outlines
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.monitoring import idle

    store = Store(settings.store).open()
    chosen = run_outlines.run_or_outline(store, run)
    if not dry_run:
        _require_own(settings, chosen, submitter)
        preflight.require_writable(settings.store, to_remove=True)
    idle.require_idle(store, chosen, waits=not dry_run)
    removal = (removals.plan_removal if dry_run else removals.remove_run)(store, chosen)
    if as_json:
        emit(
            {
                "run": run,
                "removed": not dry_run,
                "bytes": removal.bytes,
                "items": [
                    {"path": str(item.path.relative_to(store.root)), "bytes": item.bytes}
                    for item in removal.items
                ],
                "shared": list(removal.shared),
            }
        )
    else:
        _tell(settings, run, removal, dry_run)


def _require_own(settings: Settings, run: Run | RunOutline, submitter: str | None) -> None:
    """Raise `RequestError` for a run of somebody else, unless that one is named."""
    from jobs.errors import RequestError
    from orchestrator.this_user import other_submitter

    theirs = other_submitter(run.provenance)
    if theirs not in (None, submitter):
        again = call(settings, "rm", run.name, "--of", str(theirs))
        raise RequestError(
            f"the run {run.name} was submitted by {theirs}, and would be lost to them. To remove "
            f"it all the same: {again}"
        )


def _tell(settings: Settings, run: str, removal: Removal, dry_run: bool) -> None:
    for item in sorted(removal.items, key=lambda each: -each.bytes)[:SHOWN] if dry_run else ():
        click.echo(f"{megabytes(item.bytes, 10)}  {item.path}")
    if dry_run and len(removal.items) > SHOWN:
        click.echo(f"{'':>13}  and {len(removal.items) - SHOWN:,} more (--json lists all)")
    kept = f"; {len(removal.shared)} trial(s) and data set(s) that other runs share are kept"
    size = f"{megabytes(removal.bytes)}"
    click.echo(
        f"run {run}: {size} {'can be removed' if dry_run else 'removed'}"
        + (kept if removal.shared else "")
    )
    if dry_run:
        click.echo(f"remove it with: {call(settings, 'rm', run)}")
