"""`orch report`: a run's comparison as a folder with a page, tables and figures."""

from __future__ import annotations

import importlib.util

import click

from jobs.errors import MissingExtra
from jobs.settings import Settings, folder
from orchestrator.options import emit, examples, json_option, store_option


@click.command(epilog=examples("orch report", "orch report digits-3x10-1f3a9c --out comparison/"))
@click.argument("run", required=False)
@click.option("--out", metavar="DIR",
              help="Where to write it.  [default: reports/RUN in the store]")
@json_option
@store_option
@click.pass_obj
def report(settings: Settings, run: str | None, out: str | None, as_json: bool) -> None:
    """Compare the backbones of a run, the latest if none is named, with what is done so far."""
    from jobs.store import Store

    missing = [name for name in ("matplotlib", "jinja2", "numpy") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"a report needs {', '.join(missing)}. Install with: pip install 'orch[report]'.")
    store = Store(settings.store).open()
    chosen = store.load_run(run) if run is not None else store.latest_run()
    from orchestrator import report as reports

    place = store.report_folder(chosen.name) if out is None else folder(out, "--out")
    page = reports.write(store, chosen, place)
    if as_json:
        emit({"run": chosen.name, "report": str(page.absolute()), "folder": str(page.parent.absolute())})
    else:
        click.echo(f"report of {chosen.name}: {page}")
