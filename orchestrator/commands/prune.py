"""`orch prune`: free the disk space of leftover drafts and of checkpoints that nobody needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from jobs.settings import Settings
from orchestrator.formatting import megabytes, plain
from orchestrator.terminal.options import call, emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import runs_argument

SHOWN = 20


@click.command(
    epilog=examples("orch prune --dry-run", "orch prune digits-3x10-1f3a9c --keep best,last")
)
@runs_argument
@click.option(
    "--keep",
    default="best,last,periods",
    show_default=True,
    metavar="best,last,periods",
    help="Checkpoints of finished trials to keep: those of the best, the last or all periods.",
)
@click.option(
    "--of", "submitter", metavar="USER", help="With a shorter --keep, also runs of USER's."
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@json_option
@store_option
@click.pass_obj
def prune_command(
    settings: Settings,
    runs: tuple[str, ...],
    keep: str,
    submitter: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Remove leftovers of dead attempts, what belongs to no run, and checkpoints of finished
    trials that --keep does not name.

    Without RUN, all runs are pruned. Results are kept, and so is every checkpoint that an open task
    or another run needs. If a trial later gets more periods, training continues from the newest
    checkpoint that was kept. Where --keep leaves out a word, runs that somebody else submitted stay
    as they are without --of.
    """
    from jobs.maintenance.prune import POLICIES, find_prunable, parse_policy, remove
    from jobs.maintenance.removal import find_orphans
    from jobs.store.store import Store
    from orchestrator import preflight

    policy = parse_policy(keep)
    store = Store(settings.store).open()
    chosen, left = _known(store, runs or store.run_names())
    for why in left:
        click.echo(f"caution: {plain(why)} Its checkpoints stay.", err=True)
    chosen = chosen if policy == {*POLICIES} else _own(chosen, submitter)
    if not dry_run:
        preflight.require_writable(settings.store, to_remove=True)
    prunable = [*find_prunable(store, chosen, policy), *find_orphans(store)]
    if not dry_run:
        for item in prunable:
            remove(item)
    size = sum(item.bytes for item in prunable)
    if as_json:
        emit({"removed": not dry_run, "bytes": size, "items": _items(store.root, prunable)})
        return 0
    options = ["--keep", keep, *(["--of", submitter] if submitter else [])]
    _tell(settings, prunable, size, dry_run, [*runs, *options])
    return 0


def _items(root: Path, prunable: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "path": str(item.path.relative_to(root)),
            "bytes": item.bytes,
            "reason": item.reason,
        }
        for item in prunable
    ]


def _known(store: Any, names: Iterable[str]) -> tuple[list[Any], list[str]]:
    """The runs of these names, and why others are left as they are: this orch lacks an entry."""
    from jobs.errors import UnknownEntry

    runs, left = [], []
    for name in names:
        try:
            runs.append(store.load_run(name))
        except UnknownEntry as error:
            left.append(str(error))
    return runs, left


def _own(runs: list[Any], submitter: str | None) -> list[Any]:
    """The runs of this user and of `submitter`; says whose others stay as they are."""
    from orchestrator.this_user import other_submitter

    whose = {run.name: other_submitter(run.provenance) for run in runs}
    for theirs in sorted({name for name in whose.values() if name not in (None, submitter)}):
        names = ", ".join(run for run, name in whose.items() if name == theirs)
        click.echo(
            f"checkpoints of {theirs} stay ({names}). To prune them too: --of {theirs}", err=True
        )
    return [run for run in runs if whose[run.name] in (None, submitter)]


def _tell(
    settings: Settings,
    prunable: list[Any],
    size: int,
    dry_run: bool,
    words: list[str],
) -> None:
    if not prunable:
        click.echo("nothing to remove")
        return
    for item in sorted(prunable, key=lambda each: -each.bytes)[:SHOWN]:
        click.echo(f"{megabytes(item.bytes, 10)}  {item.path}: {item.reason}")
    if len(prunable) > SHOWN:
        click.echo(f"{'':>13}  and {len(prunable) - SHOWN:,} more (--json lists all)")
    click.echo(
        f"{len(prunable):,} file(s) and folder(s), {megabytes(size)}, "
        + (
            "can be removed. Remove them with: " + call(settings, "prune", *words)
            if dry_run
            else "removed"
        )
    )
