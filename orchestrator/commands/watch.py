"""`orch watch`: a run's progress until it ends."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import examples, store_option


@click.command(epilog=examples("orch watch", "orch watch digits-3x10-1f3a9c"))
@click.argument("run", required=False)
@store_option
@click.pass_obj
def watch_command(settings: Settings, run: str | None) -> int:
    """Show a run's progress, the latest if none is named, until it ends. Ctrl-C leaves the run
    going.

    In a terminal a live display; elsewhere a line whenever something changes. Exit code 1 when the
    run fails.
    """
    from jobs.store.store import Store
    from orchestrator.terminal import follow

    store = Store(settings.store).open()
    chosen = store.load_run(run) if run is not None else store.latest_run()
    return follow.follow(settings, store, chosen).exit_code
