"""`orch workers`, `orch drain` and `orch undrain`: see workers, take them out of service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from jobs.settings import Settings
from orchestrator.formatting import duration, gigabytes, plain
from orchestrator.terminal.options import call, emit, examples, json_option, store_option

if TYPE_CHECKING:
    from orchestrator.monitoring.workers import WorkerState


OUTDATED = (
    "older than this orch: takes no task of a run with settings that it does not know. "
    "Upgrade it: deploy/UPGRADE.md"
)


@click.command(epilog=examples("orch workers", "orch workers --json"))
@json_option
@store_option
@click.pass_obj
def workers_command(settings: Settings, as_json: bool) -> None:
    """List the workers of the store: device, task, last heard, why paused, and whether drained."""
    from jobs.store.store import Store
    from orchestrator.monitoring import fitting, heartbeats, workers

    store = Store(settings.store).open()
    listed = workers.list_workers(store)
    if as_json:
        emit({"workers": listed})
        return
    click.echo("\n".join(_lines(listed)) or "no worker is alive")
    alive = [beat for beat in heartbeats.read_heartbeats(store.root) if beat.fresh]
    for run, lines in fitting.unfit_of_store(store, alive).items():
        for line in lines:
            click.echo(f"tasks of {run} wait: {plain(line)}")


def _lines(listed: list[WorkerState]) -> Iterator[str]:
    """A line for each worker, and one for what hinders it."""
    width = max((len(each.name) for each in listed), default=0)
    for each in listed:
        for_s = "" if each.since is None else f" for {duration(time.time() - each.since)}"
        doing = ", ".join(each.tasks) or each.state
        drained = f"; drained: {plain(each.drained)}" if each.drained else ""
        memory = f"({gigabytes(each.gpu_memory_bytes)})" if each.gpu_memory_bytes else ""
        device = " ".join(filter(None, (each.device, memory, each.uuid)))
        heard = f"last heard of {duration(each.last_heard_s)} ago"
        if each.state in ("silent", "ended"):
            state = f"{each.state}; " if each.tasks else ""
            for_s = f" ({state}{heard})"
        version = f"; orch {each.version}" if each.version else ""
        yield plain(f"{each.name:<{width}}  {device}  {doing}{for_s}{version}{drained}")
        if each.outdated:
            yield f"  {OUTDATED}"
        if each.paused:
            yield f"  {plain(each.paused)}"


@click.command(epilog=examples("orch drain gpu-node-3", "orch drain gpu-node-3 --after task"))
@click.argument("name", metavar="HOST|WORKER")
@click.option(
    "--after",
    type=click.Choice(["task", "period"]),
    help="Let running tasks end; period: evaluate what they trained, too.  [default: the step]",
)
@json_option
@store_option
@click.pass_obj
def drain_command(settings: Settings, name: str, after: str | None, as_json: bool) -> None:
    """Let a worker, or all workers of a host, take no further task.

    Running tasks stop after the current step with a checkpoint, and other workers continue them.
    Drained workers stay drained when they are started again, until 'orch undrain'.
    """
    from jobs.store import drains
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.monitoring import workers

    store = Store(settings.store).open()
    workers.require_known(store, name)
    preflight.require_writable(settings.store)
    drains.drain(store, name, after or "step")
    if as_json:
        emit({"name": name, "after": after or "step", "workers": workers.called(store, name)})
        return
    ends = {None: "stop after their step", "task": "end first"}.get(after, "end with their period")
    click.echo(
        f"{plain(name)} takes no further task; running tasks {ends}. "
        f"Undo with: {call(settings, 'undrain', name)}"
    )


@click.command(epilog=examples("orch undrain gpu-node-3"))
@click.argument("name", metavar="HOST|WORKER")
@json_option
@store_option
@click.pass_obj
def undrain_command(settings: Settings, name: str, as_json: bool) -> None:
    """Let a drained worker, or the workers of a drained host, take tasks again."""
    from jobs.store import drains
    from jobs.store.store import Store
    from orchestrator.monitoring import workers

    store = Store(settings.store).open()
    workers.require_drained(store, name)
    drains.undrain(store, name)
    if as_json:
        emit({"name": name, "workers": workers.called(store, name)})
        return
    click.echo(f"{plain(name)} takes tasks again")
