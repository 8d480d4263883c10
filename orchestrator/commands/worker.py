"""`orch worker`: a process that takes tasks on one device until it is stopped."""

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
    help="Where to compute.  [default: the first GPU not taken, else cpu]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Processor threads, shared by the slots.  [default: half the cores]",
)
@click.option(
    "--slots",
    type=click.IntRange(1, MAX_SLOTS),
    metavar="N",
    default=1,
    show_default=True,
    help="Tasks at a time, as far as their memory fits.",
)
@click.option(
    "--name", metavar="NAME", help="What the worker is called.  [default: host, device and process]"
)
@click.option(
    "--idle-exit",
    "idle_exit_s",
    callback=seconds,
    metavar="TIME",
    help="Leave after so long without work (16s at least), such as 10m.  [default: never]",
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
    """Take tasks, one after another, on one device. Start one for each GPU.

    With --slots N up to N small networks train side by side: one starts when the memory that its
    like took before is free. Each has its part of the threads, at least one. On a CPU a trial's
    numbers depend on its threads: --threads 4 --slots 4 gives those of --threads 1. On a GPU they
    do not.

    Ctrl-C or SIGTERM stops between two steps and keeps a checkpoint; a second one ends at once.
    Without ORCH_BROKER_URL it works for this machine's embedded broker, which it starts if need be.
    """
    from orchestrator import preflight
    from orchestrator.submission import launch
    from workers import main

    if name is not None and len(name) > LONGEST_NAME:
        raise click.UsageError(f"--name is longer than {LONGEST_NAME} letters; give a shorter one.")
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
