"""`orch worker`: a process that runs tasks on one device until it is stopped."""

from __future__ import annotations

import click

from jobs import exit_codes
from jobs.errors import OrchError
from jobs.settings import Settings
from orchestrator.terminal.options import examples, memory_bytes, seconds, store_option

LONGEST_NAME = 100
MAX_SLOTS = 64


def _short_name(ctx: click.Context, option: click.Parameter, name: str | None) -> str | None:
    if name is not None and len(name) > LONGEST_NAME:
        raise click.UsageError(
            f"--name is longer than {LONGEST_NAME} characters. Give a shorter name."
        )
    return name


@click.command(
    epilog=examples(
        "orch worker --device all",
        "orch worker --device cuda:0",
        "orch worker --device cuda:0 --slots 3",
        "orch worker --device cpu --threads 4 --idle-exit 10m",
    )
)
@click.option(
    "--device",
    metavar="all|cuda:0|UUID|cpu",
    help="Device to use; all: a worker for each GPU.  [default: the first GPU not taken, else cpu]",
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
    "--name",
    metavar="NAME",
    callback=_short_name,
    help="Name of the worker.  [default: host, device and process]",
)
@click.option(
    "--idle-exit",
    "idle_exit_s",
    callback=seconds,
    metavar="TIME",
    help="Exit after this time without work, such as 10m; at least 16s.  [default: never]",
)
@click.option(
    "--min-free",
    "min_free_bytes",
    callback=memory_bytes,
    metavar="SIZE",
    help="Do not start on a GPU with less free memory, such as 20GB.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Format of the log; json: one object a line.  [env: ORCH_LOG_FORMAT; default: text]",
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
    min_free_bytes: int | None,
    log_format: str | None,
) -> int:
    """Run tasks, one after another, on one device; with --device all, on each GPU.

    --device all starts one worker for each GPU, by UUID, and starts it again when it fails.

    With --slots N, up to N networks train side by side. A task starts when enough memory is free,
    as measured in earlier tasks of this kind. The slots share the threads; each has at least one.
    On a CPU, results depend on the threads per slot: --threads 4 --slots 4 gives the results of
    --threads 1. On a GPU they do not.

    Ctrl-C, SIGTERM or SIGUSR1 (sent by Slurm before a time limit) stops after the current step and
    saves a checkpoint, for other workers to continue; a second one, but for SIGUSR1, exits at once.
    Without ORCH_BROKER_URL the worker uses, or starts, the embedded broker of this machine.

    Exit code 2: waiting does not help, such as without the device. Exit code 75: a later start may
    succeed, such as without a broker.
    """
    from orchestrator.terminal import signals, stalled_store
    from workers import logs

    signals.leave()
    stalled_store.watch(settings.store, exit_codes.TEMPORARY)
    chosen, rest = logs.chosen_format(log_format), (threads, name, idle_exit_s, slots)
    try:
        if device == "all":
            return _supervise(settings, *rest, min_free_bytes, chosen)
        return _work(settings, device, *rest, min_free_bytes, chosen)
    except OrchError as error:
        if error.temporary:
            error.exit_code = exit_codes.TEMPORARY
        raise


def _work(
    settings: Settings,
    device: str | None,
    threads: int | None,
    name: str | None,
    idle_exit_s: float | None,
    slots: int,
    min_free_bytes: int | None,
    log_format: str,
) -> int:
    from orchestrator import preflight
    from orchestrator.submission import launch
    from orchestrator.terminal import stalled_store
    from workers import main

    preflight.require_writable(settings.store)
    preflight.require_machine(settings, 1, device)
    broker_url = launch.broker(settings)
    stalled_store.end()  # a worker waits for its store, and says so
    return main.run(
        settings,
        broker_url,
        device=device,
        threads=threads,
        name=name,
        idle_exit_s=idle_exit_s,
        slots=slots,
        min_free_bytes=min_free_bytes,
        log_format=log_format,
    )


def _supervise(
    settings: Settings,
    threads: int | None,
    name: str | None,
    idle_exit_s: float | None,
    slots: int,
    min_free_bytes: int | None,
    log_format: str,
) -> int:
    """One worker for each GPU; raises `NoSuchDevice` where there is none."""
    from orchestrator import preflight
    from orchestrator.local import stack, supervisor
    from orchestrator.terminal import stalled_store
    from workers import logs
    from workers.devices import discovery

    uuids = discovery.gpu_uuids()
    if not uuids:
        raise discovery.NoSuchDevice(
            "--device all: this machine shows no GPU. Give --device cpu for a worker on the "
            "processor."
        )
    preflight.require_writable(settings.store)
    preflight.require_machine(settings, 1, None)
    stalled_store.end()
    logs.to_stderr(log_format)
    given = threads or stack.worker_threads(discovery.available_cores(), len(uuids))
    options = ["--log-format", log_format, "--slots", str(slots), "--threads", str(given)]
    options += [] if idle_exit_s is None else ["--idle-exit", f"{idle_exit_s:.3f}s"]
    options += [] if min_free_bytes is None else ["--min-free", f"{min_free_bytes / 1e6:.6f}MB"]
    return supervisor.supervise(
        settings, uuids, name or stack.host(), options, discovery.task_threads(given, slots)
    )
