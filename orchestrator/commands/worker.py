"""`orch worker`: a process that runs tasks on one device until it is stopped."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import examples, seconds, store_option

LONGEST_NAME = 100
MAX_SLOTS = 64


@click.command(
    epilog=examples(
        "orch worker --device cuda:0",
        "orch worker --device cuda:0 --slots 3",
        "orch worker --device cpu --threads 4 --idle-exit 10m",
    )
)
@click.option(
    "--device",
    metavar="cuda:0|cpu",
    help="Device to use.  [default: the first GPU not taken, else cpu]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="CPU threads, shared by the slots.  [default: half the cores]",
)
@click.option(
    "--slots",
    type=click.IntRange(1, MAX_SLOTS),
    metavar="N",
    default=1,
    show_default=True,
    help="Maximum number of tasks at a time, if their memory fits.",
)
@click.option(
    "--name", metavar="NAME", help="Name of the worker.  [default: host, device and process]"
)
@click.option(
    "--idle-exit",
    "idle_exit_s",
    callback=seconds,
    metavar="TIME",
    help="Exit after this time without work, such as 10m; at least 16s.  [default: never]",
)
@store_option
@click.pass_obj
def worker_command(
    settings: Settings,
    device: str | None,
    threads: int | None,
    name: str | None,
    idle_exit_s: float | None,
    slots: int,
) -> int:
    """Run tasks, one after another, on one device. Start one worker per GPU.

    With --slots N, up to N networks train side by side. A task starts when enough memory is free,
    as measured in earlier tasks of this kind. The slots share the threads; each has at least one.
    On a CPU, results depend on the threads per slot: --threads 4 --slots 4 gives the results of
    --threads 1. On a GPU they do not.

    Ctrl-C or SIGTERM stops after the current step and saves a checkpoint; a second one exits at
    once. Without ORCH_BROKER_URL the worker uses the embedded broker of this machine and starts it
    if needed.
    """
    from orchestrator import preflight
    from orchestrator.submission import launch
    from workers import main

    if name is not None and len(name) > LONGEST_NAME:
        raise click.UsageError(
            f"--name is longer than {LONGEST_NAME} characters. Give a shorter name."
        )
    preflight.require_writable(settings.store)
    preflight.require_machine(settings, 1, device)
    return main.run(
        settings,
        launch.broker(settings),
        device=device,
        threads=threads,
        name=name,
        idle_exit_s=idle_exit_s,
        slots=slots,
    )
