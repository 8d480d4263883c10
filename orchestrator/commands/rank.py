"""`orch rank`: networks ordered by their frozen features, before any of them is trained."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings
from orchestrator.formatting import plain
from orchestrator.submission import launch, launch_words
from orchestrator.submission.request import given_keys, notes_on_data
from orchestrator.terminal import interruption
from orchestrator.terminal.options import call, emit, examples, fields, json_option, store_option
from orchestrator.terminal.run_argument import run_names_or_files
from orchestrator.terminal.spec_options import spec_option

if TYPE_CHECKING:
    from jobs.spec.model import Spec
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from orchestrator.monitoring.status import RunStatus

OPTIONS = (
    "backbones",
    "data",
    "images",
    "group_by",
    "group_by_name",
    "classes_at_top",
    "skip_broken",
    "value_range",
    "weights",
    "image_size",
    "resize",
    "interpolation",
    "crop",
    "mean",
    "deviation",
    "requires",
    "name",
)
EPILOG = examples(
    "orch rank --data photographs/",
    "orch rank --backbone resnet34 --backbone timm:tf_efficientnet_lite0.in1k --data labels.csv",
    "orch rank study.yaml --json",
    "orch rank photographs-rank-1f3a9c",
)


def _options(command: Any) -> Any:
    for name in reversed(OPTIONS):
        command = spec_option(name)(command)
    return command


@click.command(epilog=EPILOG)
@click.argument(
    "source", metavar="[SPEC.yaml|RUN]", required=False, shell_complete=run_names_or_files
)
@click.option(
    "--all-backbones",
    is_flag=True,
    help="Rank every backbone of the catalog that has pretrained weights, one of those with the "
    "same frozen features; the default.",
)
@_options
@click.option(
    "--skip-missing",
    is_flag=True,
    help="Leave out networks whose pretrained weights are not on this machine.",
)
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait and show progress, or return at once; the same command shows the ranking later.",
)
@launch.place_options
@json_option
@store_option
@click.pass_obj
def rank_command(
    settings: Settings,
    /,
    source: str | None,
    wait: bool,
    workers: int | None,
    device: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Rank networks by what a simple classifier makes of their frozen features.

    Each network sees the training and validation images once. Its features are judged by
    cross-validation: by a logistic probe, which orders the networks, by nearest neighbours, and by
    LogME. Test images are not used. The ranking is a run: 'orch status', 'orch cancel' and others
    take its name. Interrupted, the same command continues it. With RUN, that ranking is shown.
    """
    from orchestrator.report import write

    write.need(write.NEEDED_TO_RANK)
    run_given = source is not None and not _is_file(source)
    recorded = _known(settings, source, options, workers, device) if run_given else None
    store, run, said, goes_on = recorded or _recorded(settings, source, options, workers, device)
    if not wait:
        facts = {"goes_on": goes_on}
        return launch.launch(settings, store, run, said, workers, device, False, as_json, facts)
    again = f"run {run.name} is recorded. Continue with: {call(settings, 'rank', run.name)}"
    with interruption.ends_with(settings, again):
        here, sent, states = launch.begin(settings, store, run, workers, device)
    if not as_json:
        for line in [*said, *launch_words.lines_of(settings, run, here, sent, states)]:
            click.echo(line)
    end = None
    if set(states.values()) != {"done"}:
        end = launch.follow(settings, store, run, here, as_json)
    return _shown(settings, store, run, end, as_json)


def _is_file(source: str) -> bool:
    return source.endswith((".yaml", ".yml")) or Path(source).is_file()


def _known(
    settings: Settings,
    name: str | None,
    options: dict[str, Any],
    workers: int | None,
    device: str | None,
) -> tuple[Store, Run, list[str], bool]:
    """The recorded ranking of this name; raises `RequestError` for another kind of run."""
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.analysis import ranking

    given = next((key for key, value in options.items() if value not in (None, (), False)), None)
    if given is not None:
        raise click.UsageError(
            f"--{given.replace('_', '-').replace('backbones', 'backbone')} was given with the run "
            f"'{name}', which is recorded as it is. Leave one of them out."
        )
    store = Store(settings.store).open()
    run = store.load_run(str(name))
    ranking.require_ranking(store, run)
    preflight.require_machine(settings, workers, device)
    return store, run, [f"run {run.name} ranks {len(run.trials)} network(s)"], True


def _recorded(
    settings: Settings,
    spec_file: str | None,
    options: dict[str, Any],
    workers: int | None,
    device: str | None,
) -> tuple[Store, Run, list[str], bool]:
    """The run that is asked for, checked and recorded."""
    from orchestrator import network_check
    from orchestrator.submission import rank, record, skip_missing
    from orchestrator.terminal import progress_bar

    skips = options.pop("skip_missing")
    spec = rank.rank_spec(given_keys(options), spec_file)
    twins = rank.left_out(spec)
    spec = _present(spec, settings) if skips else spec
    with contextlib.ExitStack() as reading, skip_missing.hinting(skips):
        tell = reading.enter_context(progress_bar.progress_when_slow("reading the data folder"))
        store, run, request = record.record(
            spec, settings, workers, device, tell, notes_on_data, network_check.resolve
        )
    for line in twins:
        click.echo(line, err=True)
    again = "continues" if request.known else "is submitted"
    count = f"{len(request.source.entries):,} files in " if request.source.entries else ""
    said = [
        f"run {run.name} {again}: {len(run.trials)} network(s) are ranked, none is trained",
        f"data {run.data}: {count}{len(request.source.classes)} classes; store {settings.store}",
    ]
    return store, run, [plain(line) for line in said], request.known is not None


def _present(spec: Spec, settings: Settings) -> Spec:
    """The specification without networks whose weights are missing, which are told."""
    from orchestrator.submission import skip_missing

    kept, absent = skip_missing.present(spec, settings)
    if absent:
        names = plain(", ".join(absent))
        click.echo(f"left out, as their weights are not here: {names}", err=True)
    return kept


def _shown(settings: Settings, store: Store, run: Run, end: RunStatus | None, as_json: bool) -> int:
    """Print the ranking, for people with the command that trains its best networks.

    Returns the exit code. A run that failed before any result has said why.
    """
    from orchestrator.analysis import ranking
    from orchestrator.terminal import ranking_table

    code = end.exit_code if end else 0
    if code and not ranking.ranked_trials(store, run):
        if as_json:
            emit({"run": run.name, "networks": [], **_ended(end)})
        return code
    ranked = ranking.read_ranking(store, run)
    following = _next(settings, run, ranked.best)
    if as_json:
        emit(ranked.as_dict() | _ended(end) | {"next": following})
        return code
    for line in ranking_table.lines(ranked):
        click.echo(line)
    if following:
        click.echo(f"next: {following}")
    else:
        names = ", ".join(map(plain, ranked.best))
        click.echo(f"next: train these networks of your specification: {names}")
    return code


def _ended(end: RunStatus | None) -> dict[str, Any]:
    """How the run ended, as JSON values; done where nothing was waited for."""
    failures = [] if end is None else [fields(failure) for failure in end.failures]
    return {"state": "done" if end is None else end.state, "failures": failures}


def _next(settings: Settings, run: Run, best: tuple[str, ...]) -> str | None:
    """The command that trains these networks on the same images; None if options cannot say it."""
    from orchestrator.submission import rank

    words = rank.training_words(run.spec, list(best))
    return None if words is None else call(settings, *words)
