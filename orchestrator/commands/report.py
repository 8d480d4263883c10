"""`orch report`: a comparison of one run or several as a folder with a page, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.catalog.metrics import options
from jobs.errors import RequestError
from jobs.settings import Settings, folder
from orchestrator.formatting import plain
from orchestrator.report.write import DEFAULT, FORMATS, check
from orchestrator.terminal.options import emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import runs_argument

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from orchestrator.analysis.analysis import Analysis
    from orchestrator.analysis.run_data import RunData


@click.command(
    epilog=examples(
        "orch report",
        "orch report digits-3x10-1f3a9c --out comparison/",
        "orch report --period 2 --format html,csv,latex",
        "orch report --metric macro-f1 --margin 1",
        "orch report --max-latency 20ms --max-size 10MB --margin 1",
        "orch report digits-3x10-1f3a9c animals-3x10-77ab01 --out both/",
    )
)
@runs_argument
@click.option(
    "--period",
    "periods",
    type=int,
    multiple=True,
    metavar="N",
    help="A period to show; the comparison is made after it. Repeatable.  [default: the first and "
    "the last]",
)
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    default=",".join(DEFAULT),
    show_default=True,
    help=f"Formats to write, separated by commas: {', '.join(FORMATS)}.",
)
@click.option(
    "--metric",
    metavar="METRIC",
    help=f"The metric that ranks the networks: {', '.join(options())}.  [default: that of the "
    "specification]",
)
@click.option(
    "--margin",
    type=float,
    metavar="POINTS",
    help="Test which networks are at most so many points of the metric worse than the best.",
)
@click.option(
    "--max-latency",
    metavar="TIME",
    help="Say which network answers one image within this time, such as 20ms (see 'orch bench').",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    help="Say which network is in a file of at most this size, such as 10MB.",
)
@click.option("--out", metavar="DIR", help="Output folder.  [default: reports/RUN in the store]")
@json_option
@store_option
@click.pass_obj
def report_command(
    settings: Settings,
    runs: tuple[str, ...],
    periods: tuple[int, ...],
    formats: str,
    metric: str | None,
    margin: float | None,
    max_latency: str | None,
    max_size: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    """Write a report that compares the backbones of a run, from the results published so far.

    Without RUN, the latest run is compared. Several runs are compared side by side, with the
    settings in which they differ.
    """
    from jobs.store.store import Store
    from orchestrator.report import write
    from orchestrator.terminal import progress_bar

    write.need(write.NEEDED)
    from orchestrator.analysis import constraints, metrics

    limits = constraints.read(max_latency, max_size)
    wanted, leading = _formats(formats), None if metric is None else metrics.from_option(metric)
    store = Store(settings.store).open()
    chosen = _chosen(store, runs, bool(limits), as_json)
    place = _place(store, chosen, out)
    with progress_bar.status_line(f"comparing {len(chosen)} run(s)", as_json):
        if len(chosen) == 1:
            decided = write.analysed(store, chosen[0], periods, leading, margin, limits)
            page, sentence = write.written(store, *decided, place, wanted), ""
        else:
            decided, options = None, (place, periods, wanted, leading, margin)
            page, sentence = write.write_comparison(store, chosen, *options)
    if as_json:
        _emit(page, chosen, decided if limits else None)
    else:
        _say(page, chosen, decided, sentence)


def _chosen(store: Store, names: Sequence[str], limited: bool, as_json: bool) -> list[Run]:
    """The named runs, each once; by default the latest that trains."""
    from orchestrator.terminal.latest import latest_with

    chosen = [store.load_run(name) for name in dict.fromkeys(names)]
    if limited and len(chosen) > 1:
        raise RequestError("--max-latency and --max-size are about the networks of one run.")
    return chosen or [latest_with(store, "train", () if as_json else ("report", "RUN"))]


def _place(store: Store, chosen: Sequence[Run], out: str | None) -> Path:
    """The folder of the report, by default in the store."""
    name = "+".join(run.name for run in chosen)[:200]
    return store.report_folder(name) if out is None else folder(out, "--out")


def _say(
    page: Path, runs: Sequence[Run], decided: tuple[RunData, Analysis] | None, sentence: str
) -> None:
    """Say what the comparison shows, and where the report is."""
    from orchestrator.terminal import answer_table

    for line in answer_table.lines(*decided) if decided else [plain(sentence)]:
        click.echo(line)
    click.echo(f"report of {' and '.join(run.name for run in runs)}: {page}")


def _emit(page: Path, runs: Sequence[Run], decided: tuple[RunData, Analysis] | None) -> None:
    """Print where the report is as JSON, and under limits the decision."""
    from orchestrator.report import choice_facts

    listed = [run.name for run in runs]
    names: dict[str, Any] = {"run": listed[0]} if len(runs) == 1 else {"runs": listed}
    facts = {"report": str(page.absolute()), "folder": str(page.parent.absolute())}
    extra = {} if decided is None else {"decision": choice_facts.collect(*decided)}
    emit({**names, **facts, **extra})


def _formats(listed: str) -> list[str]:
    """The formats to write; raises `RequestError` for none and for an unknown one."""
    wanted = [name.strip() for name in listed.split(",") if name.strip()]
    if not wanted:
        raise RequestError(f"--format is empty. Give one or more of {', '.join(FORMATS)}.")
    check(wanted)
    return wanted
