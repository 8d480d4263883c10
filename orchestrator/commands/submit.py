"""`orch submit`: check a specification (options and spec file), record it as a run, enqueue it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings
from orchestrator.formatting import plain
from orchestrator.submission import launch
from orchestrator.submission.request import given_keys, notes_on_data
from orchestrator.terminal.options import examples, json_option, store_option
from orchestrator.terminal.spec_options import spec_options

if TYPE_CHECKING:
    from jobs.spec.model import Spec
    from jobs.store.runs import Run
    from orchestrator.preflight import CheckNetworks, Request

EPILOG = examples(
    "orch submit --all-backbones --periods 3",
    "orch submit --backbone resnet34 --backbone vgg16 --data photographs/ --epochs-per-period 2 "
    "--wait",
    "orch submit study.yaml --seeds 5 --name five-seeds",
    "orch submit study.yaml --dry-run",
    "orch submit --backbone resnet34 --learning-rate 0.001,0.003 --optimiser sgd,adamw",
)


@click.command(epilog=EPILOG)
@click.argument("spec_file", metavar="[SPEC.yaml]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--all-backbones",
    is_flag=True,
    help="Compare every backbone of the catalog (see 'orch models').",
)
@spec_options
@launch.options
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, what it takes and what it could show; write nothing.",
)
@json_option
@store_option
@click.pass_obj
def submit_command(
    settings: Settings,
    /,
    spec_file: Path | None,
    as_json: bool,
    workers: int | None,
    device: str | None,
    wait: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Submit a comparison: train each backbone in periods and evaluate it after each one.

    A spec file has the same keys as the options (backbones, data, periods, epochs_per_period, ...);
    options override it. Submitting the same specification again continues the same run.

    Options of the recipe take several values, with commas or repeated: each network is then
    trained with each of them, and with all combinations of several such options.
    """
    from orchestrator.submission import begin, record
    from orchestrator.terminal import progress_bar

    spec = begin.spec_of(spec_file, given_keys(options))
    if dry_run:
        return _forecast(settings, spec, workers, device, wait, as_json)
    begun_anew, reading = list[str](), contextlib.ExitStack()
    tell = reading.enter_context(progress_bar.progress_when_slow("reading the data folder"))

    def look(request: Request) -> list[str]:
        reading.close()
        begun_anew.extend(_of_length(request, settings))
        return notes_on_data(request)

    check = _asking_torch(reading.close, as_json)
    with reading:
        store, run, request = record.record(spec, settings, workers, device, tell, look, check)
    said = [*_of_run(spec, run, request, settings), *_of_default_data(spec_file, options)]
    said += [*_of_decisions(spec), *begun_anew, *(f"note: {plain(note)}" for note in run.notes)]
    facts = {"goes_on": bool(request.known), "notes": [*run.notes]}
    return launch.launch(settings, store, run, said, workers, device, wait, as_json, facts)


def _of_run(spec: Spec, run: Run, request: Request, settings: Settings) -> list[str]:
    """Lines on the run, how it comes to so many trials, and its data."""
    count = f"{len(request.source.entries):,} files in " if request.source.entries else ""
    return [
        f"run {run.name} {'continues' if request.known else 'is submitted'}: {len(run.trials)} "
        f"trial(s), {len(run.tasks)} tasks, {spec.periods} x {spec.epochs_per_period} epochs",
        *_of_grid(spec),
        *_of_splits(spec, run),
        f"data {run.data}: {count}{len(request.source.classes)} classes; store {settings.store}",
    ]


def _forecast(
    settings: Settings,
    spec: Spec,
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Check the request and print its forecast; nothing is written."""
    from orchestrator.planning import forecast, words
    from orchestrator.submission import record
    from orchestrator.terminal import progress_bar
    from orchestrator.terminal.options import emit

    if wait:
        raise click.UsageError("--dry-run writes nothing and starts nothing; leave out --wait.")
    reading = contextlib.ExitStack()
    tell = reading.enter_context(progress_bar.progress_when_slow("reading the data folder"))
    with reading:
        check = _asking_torch(reading.close, as_json)
        request = record.check(spec, settings, workers, device, tell, check, writes=False)
    notes = [*notes_on_data(request), *_refused_here(settings, workers, device)]
    told = forecast.forecast(request, settings, workers, device)
    if as_json:
        emit(told.as_dict())
        return 0
    decided = _of_decisions(spec)
    limits = ["the figures above count all that could be trained: upper limits"] if decided else []
    said = [*words.lines(told), *_of_grid(spec), *decided, *limits, *_of_length(request, settings)]
    for line in [*said, *(f"note: {note}" for note in notes)]:
        click.echo(plain(line))
    return 0


def _refused_here(settings: Settings, workers: int | None, device: str | None) -> list[str]:
    """Why this machine could not do the work, or start it; nothing where it can."""
    from jobs.errors import RequestError
    from orchestrator import preflight

    try:
        preflight.require_machine(settings, workers, device)
    except RequestError as error:
        return [f"without --dry-run this would be refused here: {error}"]
    return []


def _asking_torch(before: Callable[[], None], as_json: bool) -> CheckNetworks:
    """The check of networks and weights, which takes seconds, with a status line."""
    from orchestrator import network_check
    from orchestrator.terminal import progress_bar

    def check(spec: Spec, classes: int, weights_dir: Path | None, local: bool) -> Spec:
        before()
        with progress_bar.status_line("checking networks and weights with torch", as_json):
            return network_check.resolve(spec, classes, weights_dir, local)

    return check


def _of_default_data(spec_file: Path | None, options: dict[str, Any]) -> list[str]:
    """A line if no data were named."""
    from jobs.catalog import built_in_data
    from jobs.spec import model

    if options["data"] is not None or (spec_file and "data" in model.read_file(spec_file)):
        return []
    name = built_in_data.DEFAULT
    return [f"no --data was given: this trains on the built-in {name}, not on your images"]


def _of_grid(spec: Spec) -> list[str]:
    """Lines on how the lists of a grid come to so many trials."""
    if not spec.varies:
        return []
    lists = {name: spec.lists_of(name) for name in spec.backbones}
    alike: dict[str, list[str]] = {}
    for name, of_network in lists.items():
        alike.setdefault(_product(of_network), []).append(name)
    seeds = f" x {spec.seeds} seeds" if spec.seeds > 1 else ""
    return [
        f"  {', '.join(names)}: {len(names)} network(s) x {told}{seeds}"
        for told, names in alike.items()
    ]


def _of_splits(spec: Spec, run: Run) -> list[str]:
    """A line on the data sets of several splits."""
    if spec.splits == 1:
        return []
    return [
        f"  {spec.splits} splits of the images (split_seed {spec.split_seeds[0]} to "
        f"{spec.split_seeds[-1]}): {len(run.data_sets)} data sets, each network on every split"
    ]


def _product(lists: Mapping[str, Sequence[Any]]) -> str:
    """`2 learning_rate (0.001, 0.003) x 2 optimiser (sgd, adamw)`."""
    from jobs.spec.setting import in_order, value_told

    told = [
        f"{len(lists[key])} {key} ({', '.join(map(value_told, lists[key]))})"
        for key in in_order(lists)
    ]
    return " x ".join(told) or "1 setting"


def _of_decisions(spec: Spec) -> list[str]:
    """Lines on what is decided between periods."""
    said = []
    if spec.tune is not None:
        said.append(
            f"tune: after period 1 each network goes on with its best {spec.tune} by validation; "
            "its other values stop"
        )
    if spec.race:
        first = 1 if spec.tune is None else 2
        said.append(
            f"race: after periods {first} to {spec.periods - 1} networks stop that are "
            "significantly behind on the validation images"
            if spec.periods - 1 > first
            else f"race: after period {first} networks stop that are significantly behind on the "
            "validation images"
        )
    return said


def _of_length(request: Request, settings: Settings) -> list[str]:
    """A line where trials of a new run begin anew only because of their number of epochs."""
    from jobs.store.store import Store
    from orchestrator.planning import schedule_length

    if request.known:
        return []
    return schedule_length.note(Store(settings.store), request.spec, request.source)
