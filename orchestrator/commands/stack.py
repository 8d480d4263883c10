"""`orch up` and `orch down`: this machine's embedded broker and local workers."""

from __future__ import annotations

from functools import partial

import click

from jobs.settings import MAX_WORKERS, Settings
from orchestrator.commands.worker import MAX_SLOTS
from orchestrator.submission import launch
from orchestrator.terminal.options import call, emit, examples, json_option, store_option


@click.command(epilog=examples("orch up", "orch up --workers 1 --device cpu", "orch up --slots 3"))
@click.option(
    "--workers",
    type=click.IntRange(0, MAX_WORKERS),
    metavar="N",
    help="Workers to run on this machine.  [default: one per GPU, else 2 on the CPU]",
)
@click.option(
    "--slots",
    type=click.IntRange(1, MAX_SLOTS),
    metavar="N",
    default=1,
    show_default=True,
    help="Tasks that each new worker runs at a time (see 'orch worker --help').",
)
@click.option(
    "--device", metavar="cuda:0|cpu", help="Device of the workers.  [default: every GPU, else cpu]"
)
@json_option
@store_option
@click.pass_obj
def up_command(
    settings: Settings, workers: int | None, slots: int, device: str | None, as_json: bool
) -> None:
    """Start what is not running yet: local workers, and the embedded broker unless ORCH_BROKER_URL
    is set.

    Returns when the workers can take tasks; exit code 1 with the reason if one cannot. Workers exit
    after 30 minutes without work.
    """
    from orchestrator import preflight
    from orchestrator.local import stack, startup
    from orchestrator.terminal import progress_bar

    preflight.require_writable(settings.store)
    preflight.require_machine(settings, 1 if workers is None else workers, device)
    if settings.broker_url is not None:
        preflight.require_broker(settings.broker_url)
    launch.open_store(settings)
    here = stack.ensure(settings, workers, device, partial(stack.worker_command, slots=slots))
    with progress_bar.status_line("workers load torch", as_json):
        startup.Startup(settings.store, list(here.new_workers)).wait()
    if as_json:
        emit(
            {
                "started": list(here.started),
                "workers": [worker.name for worker in here.workers],
                "redis": here.redis.socket if here.redis else None,
            }
        )
        return
    click.echo(
        f"started {', '.join(here.started)}" if here.started else "everything is already running"
    )
    by_hand = len(stack.started_by_hand(settings, here))
    if here.workers or not by_hand:
        click.echo(f"{len(here.workers)} local worker(s); stop them with: {call(settings, 'down')}")
    if by_hand:
        click.echo(
            f"{by_hand} worker(s) started by hand; '{call(settings, 'down')}' does not stop them"
        )


@click.command(epilog=examples("orch down"))
@json_option
@store_option
@click.pass_obj
def down_command(settings: Settings, as_json: bool) -> None:
    """Stop the local workers of this machine, then the embedded broker.

    Tasks stop after the current step and save a checkpoint, so nothing is lost.
    """
    from orchestrator.local import stack
    from orchestrator.terminal import stalled_store

    def tell(line: str) -> None:
        stalled_store.end()  # workers are stopped, whatever the store does
        click.echo(line, err=True)

    stopped = stack.down(settings, tell=tell)
    if as_json:
        emit(
            {
                "workers": [worker.name for worker in stopped.workers],
                "redis": stopped.redis is not None,
            }
        )
        return
    parts = [worker.name for worker in stopped.workers] + (["Redis"] if stopped.redis else [])
    click.echo(f"stopped {', '.join(parts)}" if parts else "nothing was running")
