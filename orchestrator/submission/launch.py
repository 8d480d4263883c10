"""Launch a recorded run: broker, local workers, enqueueing, and waiting if requested.

`record` checks the run, and `run_creation` writes it, before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobs.errors import BrokerUnreachable, NotQueued
from jobs.settings import MAX_WORKERS, Settings
from orchestrator.formatting import plain
from orchestrator.submission import launch_words
from orchestrator.terminal import interruption
from orchestrator.terminal.options import call, emit

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from jobs.task import Task
    from orchestrator.local.stack import Stack
    from orchestrator.monitoring.status import RunStatus
    from orchestrator.terminal.part import PartOfRun

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Awaited:
    """What to wait for: a run with these tasks alone, which are a `part` of it.

    `results` gives the lines for when it is over, and the same as JSON values.
    """

    run: Run
    part: PartOfRun
    results: Callable[[], tuple[list[str], dict[str, Any]]]


def options(command: F) -> F:
    """`--workers`, `--device` and `--wait`."""
    wait = click.option(
        "--wait", is_flag=True, help="Wait and show progress; exit code 1 if the run fails."
    )
    return place_options(wait(command))


def place_options(command: F) -> F:
    """`--workers` and `--device`."""
    for option in (
        click.option(
            "--device",
            metavar="cuda:0|cpu",
            help="Device of the local workers.  [default: every GPU, else cpu]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(0, MAX_WORKERS),
            metavar="N",
            help=(
                "Workers to run on this machine.  [default: one per GPU, else 2 on the CPU; 0 if "
                "ORCH_BROKER_URL is set]"
            ),
        ),
        click.option(
            "--no-workers", "workers", flag_value=0, type=int, help="Same as --workers 0."
        ),
    ):
        command = option(command)
    return command


def open_store(settings: Settings) -> Store:
    """The store, created if it does not exist."""
    from jobs.store.store import Store

    return Store(settings.store).open(create=True)


def broker(settings: Settings) -> str:
    """The named broker if it answers, else the embedded one, started and announced if needed."""
    from orchestrator.local import stack
    from workers.messaging.broker import ping

    if settings.broker_url is not None:
        ping(settings.broker_url)
        return settings.broker_url

    open_store(settings)
    here = stack.ensure(settings, workers=0)
    if here.started:
        click.echo(
            f"started {', '.join(here.started)}; it keeps running ('{call(settings, 'down')}' "
            f"stops it)",
            err=True,
        )
    return here.broker_url(settings)


def begin(
    settings: Settings,
    store: Store,
    run: Run,
    workers: int | None = None,
    device: str | None = None,
    only: Collection[str] | None = None,
) -> tuple[Stack, list[Task], dict[str, str]]:
    """Start missing local processes and enqueue ready tasks, without a word.

    Returns the local processes, the tasks enqueued, and all tasks' states before.
    """
    from jobs import readiness
    from orchestrator.local import stack

    ledger = store.ledger()
    states = readiness.task_states(store, run, ledger)
    ready = readiness.ready_tasks(store, run, ledger)
    sent = [task for task in ready if only is None or task.id in only]
    # What is still open while nothing is ready waits for a decision, which workers make.
    if ready or (run.decision_epochs and "open" in states.values()):
        return _start_and_enqueue(settings, store, run, workers, device, sent), sent, states
    return stack.look(settings), sent, states


def launch(
    settings: Settings,
    store: Store,
    run: Run,
    said: Sequence[str],
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
    facts: dict[str, Any],
    only: Collection[str] | None = None,
    awaited: Awaited | None = None,
) -> int:
    """Start missing local processes, enqueue ready tasks, and report; returns the exit code.

    `only` limits which task ids are enqueued. With `wait`, it returns when the run is over, or the
    part of it that is `awaited`. Ctrl-C, SIGTERM and SIGHUP print how to go on.
    """
    resume = f"run {run.name} is recorded. Continue with: {call(settings, 'resume', run.name)}"
    with interruption.ends_with(settings, awaited.part.again if awaited else resume):
        return _launch(
            settings, store, run, said, workers, device, wait, as_json, facts, only, awaited
        )


def _launch(
    settings: Settings,
    store: Store,
    run: Run,
    said: Sequence[str],
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
    facts: dict[str, Any],
    only: Collection[str] | None,
    awaited: Awaited | None,
) -> int:
    from orchestrator.submission import closed_images, fitting

    here, sent, states = begin(settings, store, run, workers, device, only)
    for line in (*fitting.warnings(store, run, here), *closed_images.warnings(store, sent)):
        click.echo(f"warning: {plain(line)}", err=True)
    if not as_json:
        lines = launch_words.lines_of(settings, run, here, sent, states)
        _tell(settings, run, [*said, *lines], wait)
    followed, part = (run, None) if awaited is None else (awaited.run, awaited.part)
    end = follow(settings, store, followed, here, as_json, part) if wait else None
    lines, more = awaited.results() if awaited is not None and wait else ([], {})
    if as_json:
        emit(_facts(settings, run, here, sent, end) | facts | more)
    else:
        for line in lines:
            click.echo(plain(line))
    return end.exit_code if end else 0


def _start_and_enqueue(
    settings: Settings,
    store: Store,
    run: Run,
    workers: int | None,
    device: str | None,
    tasks: Sequence[Task],
) -> Stack:
    """Start what is missing and enqueue the tasks; raises `NotQueued`, as the run is recorded."""
    from jobs import plan, task_title
    from orchestrator import preflight
    from orchestrator.local import stack
    from workers.messaging import messages, stores

    store_id = store.ensure_id()
    try:
        here = stack.ensure(settings, preflight.local_workers(settings, workers), device)
        broker_url = here.broker_url(settings)
        cost, title = partial(plan.cost_of, store), partial(task_title.task_title, store)
        messages.enqueue(broker_url, tasks, store=store_id, cost=cost, title=title)
    except BrokerUnreachable as error:
        raise NotQueued(
            f"run {run.name} is recorded, not queued: {error} Its workers take it up once the "
            f"broker can be used; or type: {call(settings, 'resume', run.name)}"
        ) from None
    with contextlib.suppress(BrokerUnreachable):  # only 'orch doctor' reads it
        stores.register(broker_url, store_id, store.root, stack.host())
    return here


def follow(
    settings: Settings,
    store: Store,
    run: Run,
    here: Stack,
    as_json: bool,
    part: PartOfRun | None = None,
) -> RunStatus:
    """Show the run, or a part of it, until it is over; returns its last status."""
    from orchestrator.terminal import follow as display

    def warn(line: str) -> None:
        click.echo(f"warning: {line}", err=True)

    look = watching(settings, store, run, here, warn)
    return display.follow(settings, store, run, as_json, look=look, part=part)


def watching(
    settings: Settings,
    store: Store,
    run: Run,
    here: Stack,
    warn: Callable[[str], None] = lambda line: None,
) -> Callable[[], RunStatus]:
    """Reads the run's status while local workers start; `warn` gets a line on those that died.

    Raises `WorkersDied` when those just started ended and no local worker is left, and
    `StackStopped` a while after `orch down`.
    """
    from jobs.store.cached_store import RememberedResults
    from orchestrator.local import startup
    from orchestrator.local.stopped import StoppedStack
    from orchestrator.monitoring.status import run_status

    starting = startup.Startup(store.root, list(here.new_workers))
    remembered = RememberedResults(store.root)
    stopped = StoppedStack(settings, run.name)

    def look() -> RunStatus:
        if dead := starting.look():
            if not any(worker.process.alive() for worker in here.workers):
                raise startup.WorkersDied(startup.deaths(dead))
            warn(startup.deaths(dead))
        status = run_status(remembered, run)
        stopped.look(alone=not status.workers and not status.over)
        return status

    return look


def _facts(
    settings: Settings, run: Run, here: Stack, sent: Sequence[Task], end: RunStatus | None
) -> dict[str, Any]:
    facts = {
        "run": run.name,
        "data": run.data,
        "store": str(settings.store),
        "trials": list(run.trials),
        "tasks": list(run.tasks),
        "sent": [task.id for task in sent],
        "started": list(here.started),
        "workers": [worker.name for worker in here.workers],
    }
    if end is None:
        return facts
    failures = [asdict(failure) for failure in end.failures]
    return facts | {"state": end.state, "failures": failures}


def _tell(settings: Settings, run: Run, lines: Sequence[str], wait: bool) -> None:
    for line in lines:
        click.echo(line)
    if not wait:
        click.echo("next:")
        for words, meaning in (
            (("watch", run.name), "live progress"),
            (("rank" if run.spec.rank else "report", run.name), "the comparison"),
            (("flower",), "the queue in a browser"),
        ):
            click.echo(f"  {call(settings, *words):<40} {meaning}")
