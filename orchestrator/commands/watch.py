"""`orch watch`: follow the progress of a run until it ends."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import examples, store_option
from orchestrator.terminal.run_argument import run_argument


@click.command(epilog=examples("orch watch", "orch watch digits-3x10-1f3a9c"))
@run_argument()
@store_option
@click.pass_obj
def watch_command(settings: Settings, run: str | None) -> int:
    """Follow the progress of a run until it ends. Without RUN, the latest run is shown.

    In a terminal this is a live display; otherwise each change prints a line. Ctrl-C ends the
    display, not the run. Exit code 1 if the run fails.
    """
    from jobs.store.store import Store
    from orchestrator.terminal import follow

    store = Store(settings.store).open()
    chosen = store.outline(run if run is not None else store.latest_name())
    return follow.follow(settings, store, chosen).exit_code
