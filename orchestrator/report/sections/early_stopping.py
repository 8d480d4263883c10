"""Section: training against validation loss, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.spec.setting import network_of
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.overfitting import PATIENCE, OverfittingAdvice
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import elements, theme, wording
from orchestrator.report.rendering.elements import Cell, Content, Table, Text
from orchestrator.report.rendering.figure import Chart, draw_chart, legend_below, whole_ticks
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections import stopping
from orchestrator.report.sections.foremost import foremost, limit_told
from orchestrator.report.sections.periods import stretch_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4


def section(report: ReportData) -> Content | None:
    """Advice for all trials; None without validation loss, or with a single epoch."""
    run_data, analysis = report.run_data, report.analysis
    if not analysis.stopping or max(one.epochs for one in analysis.stopping) < 2:
        return None
    told = Text(
        "The best epoch has the lowest validation loss. The gap is validation loss minus training "
        "loss. Overfitting starts where validation loss rises after the best epoch while training "
        "loss keeps falling."
    )
    table = _table(run_data, analysis)
    drawn = elements.figures([_figure(run_data, analysis)], style="wide")
    return Content(
        f"{_stopped(run_data)}{_saved(run_data, analysis)}",
        (
            *elements.fold(table.title, told, table),
            *elements.fold("Training and validation loss of each network", *drawn),
        ),
    )


def _stopped(run_data: RunData) -> str:
    """Trainings that early stopping ended, and where."""
    stops = run_data.comparison.stops
    given = {trial.recipe.early_stop for trial in run_data.trials.values()}
    patiences = sorted(patience for patience in given if patience is not None)
    if not patiences:
        return ""
    whose = "Some settings use" if None in given else "The run uses"
    several = run_data.run.spec.seeds > 1
    named = [
        f"{wording.title(run_data.label(name))}{f' (seed {trial.seed})' if several else ''} "
        f"stopped early at epoch {stops[name]}"
        for name, trial in run_data.trials.items()
        if name in stops and stops[name] < run_data.run.spec.epochs
    ]
    told = wording.listed(named) if named else "no training has stopped early"
    return (
        f"{whose} early stopping with a patience of "
        f"{wording.listed([wording.count(patience, 'epoch') for patience in patiences])}"
        f"{_by(run_data)}: {told}. "
    )


def _by(run_data: RunData) -> str:
    """The metric that early stopping goes by, where it is not the loss; in a grid all of them."""
    recipes = [trial.recipe for trial in run_data.trials.values() if trial.recipe.early_stop]
    told = list(dict.fromkeys(stopping.by(recipe) for recipe in recipes))
    return told[0] if len(told) == 1 else " or".join(by or " by validation loss" for by in told)


def _saved(run_data: RunData, analysis: Analysis) -> str:
    """What early stopping would have saved, and where it would have been too early."""
    saved = sum(one.saved_seconds for one in analysis.stopping)
    results = (one for standing in run_data.comparison.standings for one in standing.results)
    total = sum(one.whole_seconds or 0.0 for one in results)
    early = [one for one in analysis.stopping if one.saved_epochs]
    if not early or not total:
        return f"With a patience of {PATIENCE} epochs, every training would have run to its end."
    soon = sum(not one.best_kept for one in early)
    but = f"; in {soon} of them before the best epoch" if soon else ", all after the best epoch"
    return (
        f"With a patience of {PATIENCE} epochs, {len(early)} of {len(analysis.stopping)} trainings "
        f"would have ended early and saved {wording.duration(saved)}, "
        f"{wording.percent(saved / total, 0)} of all training time{but}."
    )


def _table(run_data: RunData, analysis: Analysis) -> Table:
    order = {name: place for place, name in enumerate(run_data.comparison.backbones)}
    advices = sorted(analysis.stopping, key=lambda one: (order[one.backbone], one.seed))
    rows = tuple(_row(one, run_data.run.spec.seeds > 1) for one in advices)
    head = (
        "Network",
        "Best epoch",
        "Best loss",
        "Gap at best",
        "Gap at end",
        "Overfits from",
        f"Patience {PATIENCE} stops at",
        "and saves",
    )
    caption, numeric = "Best epoch of each training", tuple(range(1, len(head)))
    return Table(head, rows, numeric, name="stopping", title=caption, style="long")


def _row(one: OverfittingAdvice, several: bool) -> tuple[str | Cell, ...]:
    name = wording.title(one.backbone)
    saved = f"{one.saved_epochs} epochs, {wording.duration(one.saved_seconds)}"
    overfits = f"epoch {one.overfits_from}" if one.overfits_from else "not seen"
    return (
        f"{name}, seed {one.seed}" if several else name,
        Cell(f"{one.best_epoch} of {one.epochs}", one.best_epoch),
        Cell(f"{one.best_loss:.4f}", one.best_loss),
        _gap(one.gap_at_best),
        _gap(one.gap_at_end),
        Cell(overfits, one.overfits_from or 1e9),
        Cell(_stop(one), one.stopped_at),
        Cell(saved if one.saved_epochs else "nothing", one.saved_seconds),
    )


def _stop(one: OverfittingAdvice) -> str:
    if not one.saved_epochs:
        return "the end"
    return f"{one.stopped_at}{'' if one.best_kept else ', too early'}"


def _gap(value: float | None) -> Cell:
    return Cell(
        "–" if value is None else f"{value:+.4f}".replace("-", "−"),
        value if value is not None else -1e9,
    )


def _figure(run_data: RunData, analysis: Analysis) -> Chart:
    names = [n for n in foremost(run_data) if any(one.backbone == n for one in analysis.stopping)]
    down = -(-len(names) // ACROSS)
    across = min(ACROSS, len(names))

    def paint(figure: Figure) -> None:
        axes = figure.subplots(down, across, sharex=True, squeeze=False)
        for place, panel in enumerate(axes.flat):
            if place < len(names):
                _panel(panel, run_data, analysis, names[place])
            else:
                panel.axis("off")
        figure.supxlabel("epoch", fontsize=9, color=theme.MUTED)
        figure.supylabel("cross entropy (nats per image)", fontsize=9, color=theme.MUTED)
        legend_below(figure, axes.flat[0])

    seed = " of the first seed" if run_data.run.spec.seeds > 1 else ""
    return draw_chart(
        "stopping",
        f"Training and validation loss of {len(names)} networks, {stretch_of(run_data, None)}",
        f"Training and validation loss{seed}; the vertical line is the epoch with the lowest "
        f"validation loss. {limit_told(run_data)}".rstrip(),
        (2.45 * across + 0.6, 1.9 * down + 0.8),
        paint,
    )


def _panel(axes: Axes, run_data: RunData, analysis: Analysis, backbone: str) -> None:
    one = min((s for s in analysis.stopping if s.backbone == backbone), key=lambda s: s.seed)
    rows = [row for row in run_data.comparison.epochs if row.trial == one.trial]
    for measure, style, called in (
        ("train_loss", ":", "training loss"),
        ("val_loss", "-", "validation loss"),
    ):
        known = [(row.epoch, value) for row in rows if (value := getattr(row, measure)) is not None]
        if known:
            axes.plot(
                *zip(*known, strict=True),
                color=theme.INK if style == "-" else theme.RIGHT,
                linestyle=style,
                linewidth=1.4,
                label=called,
            )
    axes.axvline(one.best_epoch, color=theme.WRONG, linewidth=1, label="best epoch")
    network = wording.title(network_of(backbone))
    setting = wording.in_figure(backbone).removeprefix(network).lstrip(":, ")
    name = f"{network}\n{setting}" if setting else network
    axes.set_title(f"{name}: {one.best_epoch}", fontsize=9, pad=4)
    axes.set_xticks(whole_ticks([row.epoch for row in rows], 6))
    axes.tick_params(labelsize=7.5)
