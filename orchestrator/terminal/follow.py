"""Follow a run until it ends: live display in a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from jobs.settings import Settings
from jobs.spec.setting import told
from jobs.store.cached_store import RememberedResults
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from orchestrator.formatting import plain, share
from orchestrator.monitoring.progress import TaskProgress
from orchestrator.monitoring.status import RunStatus, run_status
from orchestrator.monitoring.trial_status import TrialStatus
from orchestrator.terminal import interruption
from orchestrator.terminal.messages import describe_progress, ending, failure_line
from orchestrator.terminal.options import call
from orchestrator.terminal.part import PartOfRun

LOOK_S = 1.0
SELDOM_S = 3.0
MAX_SHARE = 0.004
"""Of a processor core, for looks at a large run; with `SELDOM_S` between looks at most."""
PLAIN_EVERY_S = 5.0
PATIENCE_S = 15.0


def follow(
    settings: Settings,
    store: Store,
    run: Run | RunOutline,
    to_stderr: bool = False,
    look: Callable[[], RunStatus] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    part: PartOfRun | None = None,
) -> RunStatus:
    """Show the run, or a part of it, until it ends; returns its last status.

    Ctrl-C, SIGTERM and SIGHUP print how to go on, and end the command
    (`interruption.ends_with`).
    """
    out = sys.stderr if to_stderr else sys.stdout
    remembered = RememberedResults(store.root)
    observe = look or (lambda: run_status(remembered, run))
    show = _live if out.isatty() else _plain
    usual = f"the run continues. Watch it again with: {call(settings, 'watch', run.name)}"
    with interruption.ends_with(settings, part.again if part else usual):
        return show(ChangeReporter(settings, part=part), observe, out, sleep)


def _plain(
    teller: ChangeReporter,
    look: Callable[[], RunStatus],
    out: TextIO,
    sleep: Callable[[float], None],
) -> RunStatus:
    while True:
        began_s, first = time.thread_time(), not teller.waited
        status = look()
        for line in teller.changes(status):
            print(line, file=out, flush=True)
        if status.over:
            return status
        sleep(LOOK_S if first else _pause_s(time.thread_time() - began_s))


def _live(
    teller: ChangeReporter,
    look: Callable[[], RunStatus],
    out: TextIO,
    sleep: Callable[[float], None],
) -> RunStatus:
    from rich.console import Console
    from rich.live import Live

    from orchestrator.terminal import dashboard

    console = Console(file=out)
    shown, began_s = None, time.thread_time()
    with Live(console=console, auto_refresh=False, transient=True) as display:
        while not (status := look()).over:
            first, teller.waited = not teller.waited, True
            seen = (status, teller.no_worker(status), console.height, console.width, teller.part)
            if seen != shown:
                display.update(dashboard.draw_dashboard(*seen), refresh=True)
            sleep(LOOK_S if first else _pause_s(time.thread_time() - began_s))
            shown, began_s = seen, time.thread_time()
    console.print(dashboard.draw_dashboard(status, None, 10_000, console.width, teller.part))
    for line in teller.ending(status):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return status


def _pause_s(spent_s: float) -> float:
    """Seconds until the next look, if this one took so much of a core."""
    return min(SELDOM_S, max(LOOK_S, spent_s / MAX_SHARE))


@dataclass(slots=True)
class ChangeReporter:
    """Lines for what changed since the previous status.

    Progress of a trial is printed at most once every `PLAIN_EVERY_S` seconds.
    """

    settings: Settings
    clock: Callable[[], float] = time.monotonic
    told: set[str] = field(default_factory=set)
    spoken_at: dict[str, float] = field(default_factory=dict)
    lonely_since: float | None = None
    waited: bool = False
    part: PartOfRun | None = None

    def changes(self, status: RunStatus) -> list[str]:
        """The lines to print now."""
        self.waited = self.waited or not status.over
        lines = self._begin(status)
        if status.data_progress is not None:
            lines += self._progress(
                f"data {status.data_progress.subject}", status.data_progress, ""
            )
        elif status.preparing == "done":
            lines += self._once("data", f"data {status.data}: ready")
        for trial in status.trials:
            lines += self._trial(trial)
        for failure in status.failures:
            lines += self._once(f"failed {failure.task}", failure_line(failure))
        warning = self.no_worker(status)
        if warning and self._due("warning", 60.0):
            lines.append(warning)
        return lines + (self.ending(status) if status.over else [])

    def ending(self, status: RunStatus) -> list[str]:
        """The last lines for a run that is over, or for the part of it that is followed."""
        if self.part is not None and status.state == "done":
            return [self.part.ending(status, call(self.settings, "report", status.run))]
        return ending(self.settings, status, self.waited)

    def _begin(self, status: RunStatus) -> list[str]:
        """How many tasks there are; of a part anew whenever one more is done."""
        if self.part is not None:
            done = self.part.done(status)
            return self._once(f"{done} done", self.part.count(status)) if not status.over else []
        total, done = sum(status.tasks.values()), status.tasks.get("done", 0)
        return self._once(f"run {status.run}", f"run {status.run}: {total} tasks, {done} done")

    def no_worker(self, status: RunStatus) -> str | None:
        """A warning if tasks have waited for `PATIENCE_S` seconds and why is known; or None."""
        if status.state == "running" and status.unfit:
            return f"some tasks wait: {plain(status.unfit[0])}"
        if status.state != "waiting" or (status.workers and not status.waits_for):
            self.lonely_since = None
            return None
        if self.lonely_since is None:
            self.lonely_since = self.clock()
        if self.clock() - self.lonely_since < PATIENCE_S:
            return None
        if status.workers:
            return f"tasks wait: {plain(str(status.waits_for))}"
        return (
            f"tasks are waiting, but no worker is alive. Start workers with: "
            f"{call(self.settings, 'up')}; if they exit at once, see: "
            f"{call(self.settings, 'doctor')}"
        )

    def _trial(self, trial: TrialStatus) -> list[str]:
        who = f"{trial.trial} ({told(trial.setting)})" if trial.setting else trial.trial
        lines = []
        if trial.stopped_early is not None:
            lines += self._once(
                f"{trial.trial} early", f"{who}: stopped early at epoch {trial.stopped_early}"
            )
        if trial.accuracy is not None:
            result = (
                f"epoch {trial.accuracy_epoch}/{trial.epochs} evaluated, test accuracy "
                f"{share(trial.accuracy)}"
            )
            lines += self._once(f"{trial.trial} {trial.accuracy_epoch}", f"{who}: {result}")
        if trial.probe_accuracy is not None:
            ranked = f"{who}: ranked, probe accuracy {share(trial.probe_accuracy)}"
            lines += self._once(f"{trial.trial} ranked", ranked)
        for progress in trial.progress:
            place = f"period {trial.period}/{trial.periods} "
            lines += self._progress(who, progress, place if progress.kind == "train" else "")
        return lines

    def _progress(self, who: str, progress: TaskProgress, place: str) -> list[str]:
        again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
        kind = " ".join(filter(None, (progress.kind, progress.runtime)))
        began = f"{who}: {kind} started on {progress.worker} ({progress.device}){again}"
        lines = self._once(f"{progress.task} {progress.attempt}", began)
        key = f"{progress.task} {progress.phase} {progress.epoch} {progress.done}"
        if progress.phase is not None and key not in self.told and self._due(who, PLAIN_EVERY_S):
            lines += self._once(key, f"{who}: {place}{describe_progress(progress)}")
        return lines

    def _once(self, key: str, line: str) -> list[str]:
        if key in self.told:
            return []
        self.told.add(key)
        return [line]

    def _due(self, key: str, every_s: float) -> bool:
        now = self.clock()
        if now - self.spoken_at.get(key, float("-inf")) < every_s:
            return False
        self.spoken_at[key] = now
        return True
