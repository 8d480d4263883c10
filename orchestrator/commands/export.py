"""`orch export`: a run's results, or a trained network, for other programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs import install_hints
from jobs.errors import MissingExtra, RequestError
from jobs.settings import Settings, folder
from orchestrator.commands.export_model import model_command
from orchestrator.terminal.options import emit, examples, json_option, store_option
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from orchestrator.export_results.history import TrialHistory


@click.group(
    epilog=examples(
        "orch export tensorboard",
        "orch export mlflow --out tracking/",
        "orch export model --backbone resnet34 --format onnx --out resnet34/",
    ),
    invoke_without_command=True,
)
@click.pass_context
def export_command(ctx: click.Context) -> None:
    """Export a trained network, or the results of a run to TensorBoard or MLflow."""
    if ctx.invoked_subcommand is None:
        raise click.UsageError(
            "a command is missing. Give 'orch export model RUN', 'orch export tensorboard RUN' or "
            "'orch export mlflow RUN'."
        )


export_command.add_command(model_command)

out_option = click.option(
    "--out", metavar="DIR", help="Output folder.  [default: exports/RUN in the store]"
)


@export_command.command(epilog=examples("orch export tensorboard digits-3x10-1f3a9c --out boards/"))
@run_argument()
@out_option
@json_option
@store_option
@click.pass_obj
def tensorboard_command(
    settings: Settings, run: str | None, out: str | None, as_json: bool
) -> None:
    """Write event files with curves, evaluations and settings, one folder per trial. Without RUN,
    the latest run is exported.
    """
    _need("tensorboard", ("tensorboard",))
    chosen, histories, place = _gather(settings, run, out, "tensorboard")
    from orchestrator.export_results import tensorboard

    try:
        tensorboard.write(histories, place)
    except OSError as error:
        raise _unwritable(place, error) from None
    _tell(chosen, histories, place, f"tensorboard --logdir {place}", as_json)


@export_command.command(epilog=examples("orch export mlflow digits-3x10-1f3a9c --out tracking/"))
@run_argument()
@out_option
@json_option
@store_option
@click.pass_obj
def mlflow_command(settings: Settings, run: str | None, out: str | None, as_json: bool) -> None:
    """Write an experiment to DIR/mlflow.db, with one MLflow run per trial. Without RUN, the latest
    run is exported.
    """
    _need("mlflow", ("mlflow", "sqlalchemy", "alembic"))
    chosen, histories, place = _gather(settings, run, out, "mlflow")
    from orchestrator.export_results import mlflow

    try:
        mlflow.write(histories, chosen.name, place)
    except OSError as error:
        raise _unwritable(place, error) from None
    uri = f"sqlite:///{(place / mlflow.DATABASE).absolute()}"
    _tell(chosen, histories, place, f"mlflow ui --backend-store-uri {uri}", as_json)


def _need(extra: str, modules: tuple[str, ...]) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"this export needs {', '.join(missing)}. Install it with: "
            f"{install_hints.install_command(extra)}"
        )


def _gather(
    settings: Settings, run: str | None, out: str | None, kind: str
) -> tuple[Run, list[TrialHistory], Path]:
    from jobs.store.store import Store
    from orchestrator.export_results import history
    from orchestrator.terminal.latest import latest_with

    store = Store(settings.store).open()
    chosen = store.load_run(run) if run is not None else latest_with(store, "train")
    place = store.export_folder(chosen.name) / kind if out is None else folder(out, "--out")
    return chosen, history.histories(store, chosen), place


def _unwritable(place: Path, error: OSError) -> RequestError:
    return RequestError(
        f"cannot write to {place}: {error.strerror or error}. Give another folder with --out."
    )


def _tell(run: Run, histories: list[TrialHistory], place: Path, look: str, as_json: bool) -> None:
    points = sum(len(history.points) for history in histories)
    if as_json:
        emit(
            {
                "run": run.name,
                "folder": str(place.absolute()),
                "trials": [history.trial for history in histories],
                "points": points,
                "look": look,
            }
        )
        return
    click.echo(f"{run.name}: {len(histories)} trial(s), {points:,} points in {place}")
    click.echo(f"view it with: {look}")
