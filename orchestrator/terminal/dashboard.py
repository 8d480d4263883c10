"""The live display: overall bar, a line per trial, failures, workers."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.spec.setting import value_told
from orchestrator.formatting import duration, share
from orchestrator.monitoring.progress import TaskProgress
from orchestrator.monitoring.status import RunStatus
from orchestrator.monitoring.time_left import seconds_left
from orchestrator.monitoring.trial_status import TrialStatus
from orchestrator.terminal.messages import failure_line
from orchestrator.terminal.part import PartOfRun

NARROW = 110
"""Below this width (columns), bars, validation accuracy and workers are left out."""
TIGHT = 76
"""Below this width (columns), periods, speed and loss are left out too."""

ORDER = ("running", "failed", "waiting", "blocked", "stopped", "cancelled", "done")
STYLES = {
    "running": "cyan",
    "failed": "red",
    "blocked": "red",
    "done": "green",
    "cancelled": "yellow",
}


def draw_dashboard(
    status: RunStatus, warning: str | None, height: int, width: int, part: PartOfRun | None = None
) -> RenderableType:
    """The display for a terminal of `height` lines and `width` columns; of a `part` its count.

    If not all trials fit, running ones come first.
    """
    room = max(3, height - 8 - len(status.failures[:3]))
    trials = (
        sorted(status.trials, key=lambda trial: ORDER.index(trial.state))
        if len(status.trials) > room
        else list(status.trials)
    )
    parts: list[RenderableType] = [
        _overall(status, width) if part is None else Text(part.count(status), style="bold")
    ]
    if status.data_progress is not None:
        parts.append(_preparing(status, status.data_progress))
    parts.append(_trials(trials[:room], len({trial.seed for trial in trials}) > 1, width))
    if len(trials) > room:
        parts.append(Text(f"  and {len(trials) - room} more", style="dim"))
    parts += [Text(failure_line(failure), style="red") for failure in status.failures[-3:]]
    if warning is not None:
        parts.append(Text(warning, style="bold yellow"))
    return Group(*parts)


def _overall(status: RunStatus, width: int) -> RenderableType:
    costs = {trial.backbone: status.costs.get(trial.backbone, 1.0) for trial in status.trials}
    total = sum(costs[trial.backbone] * trial.epochs_asked for trial in status.trials)
    done = sum(costs[trial.backbone] * _epochs(trial) for trial in status.trials)
    left = seconds_left(status, costs)
    time_left = (
        ""
        if status.over
        else f"  {'about ' + duration(left) if left is not None else 'unknown time'} left"
    )
    asked = sum(status.tasks.values()) - status.tasks.get("stopped", 0)
    tasks = f"  {status.tasks.get('done', 0)}/{asked} tasks"
    told = (
        f"{100 * done / total if total else 0:.0f}%{tasks}{time_left}  {len(status.workers)} "
        f"worker(s)"
    )
    if width < TIGHT:
        return Group(Text(status.run, style="bold"), Text(told))
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=total, completed=done, width=30 if width >= NARROW else 8)
    line.add_row(Text(status.run, style="bold"), bar, Text(told))
    return line


def _epochs(trial: TrialStatus) -> float:
    """Epochs trained, including the fraction of the current one."""
    parts = [
        (p.done or 0) / p.total
        for p in trial.progress
        if p.kind == "train" and p.phase == "train" and p.total
    ]
    asked = trial.epochs_asked
    return min(asked, asked - trial.epochs_left + max(parts, default=0.0))


def _preparing(status: RunStatus, progress: TaskProgress) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    line.add_row(
        Text(f"preparing {progress.subject}"),
        ProgressBar(total=progress.total or 1, completed=progress.done or 0, width=30),
        Text(f"{progress.done or 0:,.0f}/{progress.total or 0:,.0f} images on {progress.worker}"),
    )
    return line


def _trials(trials: list[TrialStatus], seeds: bool, width: int) -> RenderableType:
    wide = width >= NARROW
    table = Table(
        box=None, padding=(0, 1) if wide else (0, 1, 0, 0), pad_edge=False, header_style="dim"
    )
    columns = (
        ("backbone", False),
        ("period", True),
        ("epoch", True),
        ("phase", False),
        ("", False),
        ("img/s", True),
        ("loss", True),
        ("val", True),
        ("test", True),
        ("left", True),
        ("on", False),
    )
    left_out = (
        ()
        if wide
        else ("", "val", "on")
        if width >= TIGHT
        else ("", "val", "on", "period", "img/s", "loss")
    )
    shown = [number for number, (title, _) in enumerate(columns) if title not in left_out]
    for title, right in (columns[number] for number in shown):
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for trial in trials:
        name = _name(trial, wide) + (f" s{trial.seed}" if seeds else "") + _split(trial)
        for number, progress in enumerate(trial.progress or (None,)):
            row = _row(trial, name if number == 0 else "", progress, number == 0, wide)
            table.add_row(*(row[place] for place in shown))
    return table


def _name(trial: TrialStatus, wide: bool) -> str:
    """The network, in a grid with its setting; where it is narrow, without the names of keys."""
    values = ", ".join(map(value_told, trial.setting.values()))
    return trial.label if wide or not values else f"{trial.backbone} {values}"


def _split(trial: TrialStatus) -> str:
    """The split of a trial, where the run has several."""
    return "" if trial.split is None else f" split {trial.split}"


def _said(trial: TrialStatus) -> str:
    if trial.probe_accuracy is not None:
        return f"{trial.state}, probe {share(trial.probe_accuracy)}"
    return trial.state if trial.stopped_early is None else f"{trial.state}, stopped early"


def _row(
    trial: TrialStatus, name: str, progress: TaskProgress | None, first: bool, wide: bool
) -> list[RenderableType]:
    epoch = f"{(progress and progress.epoch) or trial.epochs_done}/{trial.epochs}"
    test = share(trial.accuracy) if first else ""
    style = STYLES.get(trial.state, "dim")
    if progress is None:
        return [
            Text(name),
            f"{trial.period}/{trial.periods}",
            epoch,
            Text(_said(trial), style=style),
            "",
            "",
            "",
            "",
            test,
            "",
            "",
        ]
    percent = (
        "" if wide or not progress.total else f" {100 * (progress.done or 0) / progress.total:.0f}%"
    )
    return [
        Text(name, style="bold"),
        f"{trial.period}/{trial.periods}" if progress.kind == "train" else "",
        epoch,
        Text(f"{progress.doing}{percent}", style=style),
        ProgressBar(total=progress.total or 1, completed=progress.done or 0, width=12),
        f"{progress.images_per_second:.0f}" if progress.images_per_second else "",
        f"{progress.loss:.3f}" if progress.loss is not None else "",
        share(progress.val_accuracy) if progress.val_accuracy is not None else "",
        test,
        duration(progress.eta_s) if progress.eta_s is not None else "",
        f"{progress.worker}",
    ]
