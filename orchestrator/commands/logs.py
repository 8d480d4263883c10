"""`orch logs`: what the attempts at a task or a run, or a worker, have written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.settings import Settings
from orchestrator.formatting import duration, plain
from orchestrator.terminal.options import examples, store_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from jobs.store.store import Store
    from orchestrator.monitoring.attempts import AttemptStatus
    from orchestrator.monitoring.logs import Source, Tail

LINES = 100
LOOK_S = 0.5
MAX_SHARE = 0.2
"""The maximum share of the time that is spent on looking at the attempts of a large run."""


def _complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of runs, tasks and workers of the store; none where it cannot be read."""
    from click.shell_completion import CompletionItem

    from jobs import settings
    from jobs.errors import OrchError
    from jobs.store.store import Store
    from orchestrator.monitoring import logs

    try:
        known = ctx.obj if isinstance(ctx.obj, Settings) else settings.read()
        names = logs.names(Store(known.store).open())
    except (OrchError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


@click.command(
    epilog=examples(
        "orch logs train.resnet34-s0-1f3a9c2e.0010",
        "orch logs digits-3x10-1f3a9c --lines 20",
        "orch logs gpu-node-3-1 -f",
    )
)
@click.argument("name", metavar="TASK|WORKER|RUN", shell_complete=_complete)
@click.option("-f", "--follow", is_flag=True, help="Go on until the tasks end, or Ctrl-C.")
@click.option(
    "--lines",
    type=click.IntRange(0, 1_000_000),
    default=LINES,
    show_default=True,
    metavar="N",
    help="The last N lines of each log.",
)
@store_option
@click.pass_obj
def logs_command(settings: Settings, name: str, follow: bool, lines: int) -> None:
    """Show the logs of a task's or a run's attempts, or of a worker of this machine.

    Each attempt has a heading: task, worker, when, and how it ended. TASK is also the id that
    Flower shows.
    """
    from jobs.store.store import Store
    from orchestrator.monitoring import logs

    store = Store(settings.store).open()
    source = logs.find(store, name)
    printer = Printer(store, source, lines)
    printer.show()
    began = time.monotonic()
    while follow and not logs.over(store, source):
        time.sleep(max(LOOK_S, (time.monotonic() - began) / MAX_SHARE))
        began = time.monotonic()
        printer.show()
    if follow:
        printer.show()


@dataclass(slots=True)
class Printer:
    """Prints what is new in the logs of a source: first their last lines, then what is added."""

    store: Store
    source: Source
    lines: int
    tails: dict[str, Tail] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    latest: str = ""

    def show(self) -> None:
        """Print what was written since the last call."""
        for line in self._of_worker() if self.source.worker else self._of_attempts():
            click.echo(line)

    def _of_worker(self) -> Iterator[str]:
        assert self.source.worker is not None
        yield from self._new(self.source.name, self.source.worker)

    def _of_attempts(self) -> Iterator[str]:
        from orchestrator.monitoring import logs

        tried = logs.attempts(self.store, self.source)
        if not tried and not self.states:
            self.states[""] = "none"
            yield f"no attempt at {self.source.name} has been made yet"
        for each in tried:
            yield from self._of_attempt(each)

    def _of_attempt(self, each: AttemptStatus) -> Iterator[str]:
        """Its heading where another log was printed before, new lines, and how it has ended."""
        known = self.states.get(each.log)
        if known not in (None, "running"):
            return
        new = list(self._new(each.log, Path(each.log), whole=each.state != "running"))
        if known != each.state or (new and self.latest != each.log):
            yield heading(each)
            if each.state in ("failed", "lost", "stopped") and each.message:
                yield f"  {plain(each.message)}"
        if known is None and not new and each.state != "running":
            yield "  (no output)"
        yield from new
        self.states[each.log], self.latest = each.state, each.log

    def _new(self, key: str, path: Path, whole: bool = False) -> Iterator[str]:
        from orchestrator.monitoring.logs import Tail

        tail = self.tails.get(key)
        if tail is None:
            tail = self.tails[key] = Tail(path)
            read = tail.last(self.lines)
        else:
            read = tail.more()
        yield from map(_shown, [*read, *(tail.more(whole=True) if whole else [])])


def heading(each: AttemptStatus) -> str:
    """An attempt in a line: task, number, how it ended, on what, when, and how long it took."""
    ended = f"{each.state} ({each.failure})" if each.failure else each.state
    began = "?" if each.started_at is None else _clock(each.started_at)
    took = ""
    if each.finished_at and each.started_at:
        took = f", took {duration(each.finished_at - each.started_at)}"
    where = plain(f"{each.worker or '?'} ({each.device or '?'})")
    return f"== {each.task}, attempt {each.attempt}: {ended} on {where}, {began}{took}"


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _shown(line: str) -> str:
    """A line of a log without what would move a terminal's cursor or change its colours."""
    return "\t".join(plain(part) for part in line.rstrip("\r").split("\t"))
