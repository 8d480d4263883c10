"""Write a report: the requested formats, and every figure as SVG and PNG."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs import atomic, install_hints
from jobs.catalog import metrics
from jobs.catalog.metrics import Metric
from jobs.errors import MissingExtra, RequestError
from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.analysis import run_tables

if TYPE_CHECKING:
    from orchestrator.analysis.analysis import Analysis
    from orchestrator.analysis.constraints import Constraints
    from orchestrator.analysis.run_data import RunData
    from orchestrator.report.page import Page
    from orchestrator.report.rendering.elements import Table

NEEDED = ("jinja2", "matplotlib", "numpy", "PIL", "scipy")
NEEDED_TO_RANK = ("numpy", "scipy")
FORMATS = ("html", "md", "json", "latex", "csv", "parquet")
DEFAULT = FORMATS[:3]
DRAWN = {"html", "md", "latex"}
"""The formats beside which figures are written: drawing takes most of a report's time."""
MARK = "report.files"
"""Lists the files of a report, so that the next report can remove those it does not write."""


def write_report(
    store: Store,
    run: Run,
    out: Path,
    periods: Sequence[int] = (),
    formats: Sequence[str] = DEFAULT,
    metric: Metric | None = None,
    margin: float | None = None,
    constraints: Constraints | None = None,
) -> Path:
    """Write the report of a run into `out` and return the path of its first format.

    The report shows `periods` (none given: the first and the last) and compares the networks at
    the last one. `metric` leads, by default that of the run. It lists results that are missing.
    With a `margin`, in percentage points of a share or else in the metric's unit, networks are
    tested to be at most that much worse than the best. Under `constraints` it says which network to
    take. Equal data gives byte-identical files.

    Raises `MissingExtra` without the extra 'report', and `OrchError` without results. Raises
    `RequestError` if `out` is not writable, or if a period or format does not exist.
    """
    check(formats)
    run_data, analysis = analysed(store, run, periods, metric, margin, constraints)
    return written(store, run_data, analysis, out, formats)


def analysed(
    store: Store,
    run: Run,
    periods: Sequence[int] = (),
    metric: Metric | None = None,
    margin: float | None = None,
    constraints: Constraints | None = None,
) -> tuple[RunData, Analysis]:
    """The results of a run and their analysis, with the arguments of `write_report`."""
    need(NEEDED)
    from orchestrator.analysis.analysis import UNLIMITED, analyse
    from orchestrator.analysis.run_data import read_run_data

    run_data = read_run_data(store, run, periods, metric)
    return run_data, analyse(run_data, _in_unit(margin, run_data), constraints or UNLIMITED)


def written(
    store: Store, run_data: RunData, analysis: Analysis, out: Path, formats: Sequence[str]
) -> Path:
    """Write the report of what was analysed; returns the path of its first format."""
    from orchestrator.analysis.run_data import keep_leaks
    from orchestrator.report import page

    with _writing(out):
        made = page.assemble(run_data, analysis)
        first = put(out, made, _plain(run_data, analysis, formats), formats)
    keep_leaks(store, run_data)
    return first


def write_comparison(
    store: Store,
    runs: Sequence[Run],
    out: Path,
    periods: Sequence[int] = (),
    formats: Sequence[str] = DEFAULT,
    metric: Metric | None = None,
    margin: float | None = None,
) -> tuple[Path, str]:
    """Write a comparison of runs into `out`, and each run's report into a folder named after it.

    Returns the path of its first format, and its first sentence.
    """
    need(NEEDED)
    check(formats)
    from orchestrator.analysis.analysis import analyse
    from orchestrator.analysis.multi_run import ComparedRun, analyse_runs
    from orchestrator.analysis.run_data import keep_leaks, read_run_data
    from orchestrator.report import multi_run, page

    leading = metric or _same_metric(runs)
    run_data = [read_run_data(store, run, periods, leading) for run in runs]
    sides = [ComparedRun(each, analyse(each, _in_unit(margin, each))) for each in run_data]
    compared = analyse_runs(sides)
    with _writing(out):
        sentences = {}
        for side in sides:
            own = page.assemble(side.run_data, side.analysis)
            put(out / side.name, own, _plain(side.run_data, side.analysis, formats), formats)
            sentences[side.name] = own.headline.sentence
        both = multi_run.assemble(sides, compared, sentences)
        first = put(out, both, multi_run.records(compared), formats)
    for each in run_data:
        keep_leaks(store, each)
    return first, both.headline.sentence


def _in_unit(margin: float | None, run_data: RunData) -> float | None:
    """The margin in the unit of the leading metric; raises `RequestError`."""
    from orchestrator.analysis.noninferiority import margin_of

    return None if margin is None else margin_of(margin, run_data.metric)


def _same_metric(runs: Sequence[Run]) -> Metric:
    """The metric that leads all these runs; raises `RequestError` where they differ."""
    names = list(dict.fromkeys(run.spec.metric for run in runs))
    if len(names) > 1:
        raise RequestError(
            f"these runs are led by different metrics ({', '.join(names)}). Choose one with "
            f"--metric {names[0]}."
        )
    return metrics.chosen(names[0])


def _plain(run_data: RunData, analysis: Analysis, formats: Sequence[str]) -> Mapping[str, Any]:
    """The data tables, if a format needs them."""
    from orchestrator.report import data_tables

    if not {"csv", "parquet"} & set(formats):
        return {}
    wrong = run_tables.read(Store(run_data.root), run_data.run, run_tables.MISTAKES)
    more = {run_tables.MISTAKES: wrong} if wrong.num_rows else {}
    return {**data_tables.records(run_data, analysis), **more}


def put(out: Path, told: Page, plain: Mapping[str, Any], formats: Sequence[str]) -> Path:
    """Write all formats of a page into a folder; remove files of an earlier report."""
    from orchestrator.report import page
    from orchestrator.report.rendering import elements, latex

    shown = elements.tables(told.sections)
    contents: dict[str, Callable[[], bytes]] = {}
    for name in formats:
        if name == "html":
            contents["report.html"] = lambda: _bytes(page.html(told))
        elif name == "md":
            contents["report.md"] = lambda: _bytes(page.markdown(told))
        elif name == "json":
            contents["report.json"] = lambda: _bytes(
                json.dumps(told.facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            )
        elif name == "latex":
            contents["report.tex"] = lambda: _bytes(
                latex.document(told.title, (told.headline.answer, told.headline.cost), shown)
            )
            contents |= {
                f"tables/{table.name}.tex": partial(_latex_table, table) for table in shown
            }
        else:
            contents |= {
                f"tables/{key}.{name}": partial(_table, table, name) for key, table in plain.items()
            }
    for drawing in told.drawings if {*formats} & DRAWN else ():
        contents[f"figures/{drawing.name}.svg"] = lambda d=drawing: d.svg.encode()  # type: ignore[misc]
        contents[f"figures/{drawing.name}.png"] = lambda d=drawing: d.png  # type: ignore[misc]
    for name, content in contents.items():
        with atomic.atomic_write(out / name) as draft:
            draft.write_bytes(content())
    _take_away(out, contents)
    first = next(name for name in contents if not name.startswith("figures/"))
    return out / ("report.html" if "report.html" in contents else first)


def check(formats: Iterable[str]) -> None:
    """Raise `RequestError` for an unknown format."""
    for name in formats:
        if name not in FORMATS:
            raise RequestError(
                f"--format {name[:40]}: unknown format. Give one or more of {', '.join(FORMATS)}."
            )


def need(modules: tuple[str, ...]) -> None:
    """Raise `MissingExtra` if a module for reports is not installed."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        raise MissingExtra(
            f"a report needs {', '.join(absent)}. Install the packages with: "
            f"{install_hints.install_command('report')}"
        )


def _take_away(out: Path, contents: Iterable[str]) -> None:
    """Remove only those files of an earlier report that this report does not contain."""
    mark, now = out / MARK, sorted(contents)
    before = mark.read_text(encoding="utf-8").splitlines() if mark.exists() else []
    for name in set(before) - set(now):
        if name.startswith(("figures/", "tables/", "report.")) and ".." not in name:
            (out / name).unlink(missing_ok=True)
    with atomic.atomic_write(mark) as draft:
        draft.write_text("\n".join(now) + "\n", encoding="utf-8")


def _table(table: Any, form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    from orchestrator.report import spreadsheet_safe

    sink = pa.BufferOutputStream()
    if form == "csv":
        pyarrow.csv.write_csv(spreadsheet_safe.escaped(table), sink)
    else:
        pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _latex_table(table: Table) -> bytes:
    """One table of the report as LaTeX."""
    from orchestrator.report.rendering import latex

    return _bytes(latex.tabular(table))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


class _writing:
    """Create the folder, and turn an `OSError` while writing into a `RequestError`."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> RequestError:
        return RequestError(
            f"cannot write the report to {self.out}: {error.strerror or error}. "
            "Give another folder with --out."
        )
