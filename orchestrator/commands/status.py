"""`orch status`: the runs of the store, or the progress of one run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings
from jobs.store.paths import StorePaths
from orchestrator.formatting import duration, plain, share
from orchestrator.terminal import run_notes
from orchestrator.terminal.options import call, emit, examples, fields, json_option, store_option
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from orchestrator.monitoring.heartbeats import Heartbeat
    from orchestrator.monitoring.trial_status import TrialStatus

IN_A_LINE = 3
"""Workers up to which one line names them all."""


@click.command(epilog=examples("orch status", "orch status digits-3x10-1f3a9c --attempts"))
@run_argument()
@click.option(
    "--attempts", is_flag=True, help="List every attempt of the run: state, failure, time, worker."
)
@click.option("--sizes", is_flag=True, help="Also measure the size on disk, which takes a while.")
@json_option
@store_option
@click.pass_obj
def status_command(
    settings: Settings, run: str | None, attempts: bool, sizes: bool, as_json: bool
) -> int:
    """Show the progress of a run; without RUN, list the runs of the store.

    Exit code 1 if the record of a run is damaged; the other runs are still listed.
    """
    from jobs.store.store import Store

    if attempts and run is None:
        raise click.UsageError("--attempts needs a RUN ('orch status' lists the runs).")
    store = Store(settings.store).open()
    if run is None:
        return _all(settings, store, sizes, as_json)
    _one(settings, store, run, attempts, sizes, as_json)
    return 0


def _one(
    settings: Settings, store: Any, name: str, attempts: bool, sizes: bool, as_json: bool
) -> None:
    from dataclasses import replace

    from jobs.versions import differing_versions
    from orchestrator.monitoring.attempts import attempts_of_run

    run, now = store.outline(name), time.time()
    status = _status(store, run)
    tried = attempts_of_run(store, run) if attempts else None
    if tried is not None:  # which also holds what `run_status` does not read
        versions = (each.versions or {} for each in tried if each.state == "done")
        status = replace(status, versions=differing_versions(versions))
    if as_json:
        more = {} if tried is None else {"attempts": tried}
        emit(fields(status) | more | ({"size": run_notes.size(store, name)} if sizes else {}))
        return
    lines = [*_described(settings, status, now), *_attempts(settings, tried, now)]
    click.echo(
        "\n".join(lines + ([run_notes.size_line(run_notes.size(store, name))] if sizes else []))
    )


def _status(store: Any, run: Any, scene: Any = None) -> Any:
    """The status of a run; results that earlier commands have read are not opened again."""
    from orchestrator.monitoring.result_index import ResultIndex
    from orchestrator.monitoring.status import run_status

    index = ResultIndex(store, run.name)
    status = run_status(store, run, scene=scene, result_of=index.done)
    index.keep()
    return status


def _all(settings: Settings, store: Any, sizes: bool, as_json: bool) -> int:
    """Every run, and which ones are damaged or may not be read."""
    from jobs.errors import AccessDenied, DamagedFile, OutOfReach
    from orchestrator.monitoring import progress, run_differences
    from orchestrator.monitoring.status import overview

    now = time.time()
    scene = progress.read_view(store)
    statuses: list[Any] = []
    given: dict[str, Any] = {}
    damaged, states = dict[str, str](), dict[str, str]()
    words = {AccessDenied: "unreadable", OutOfReach: "newer", DamagedFile: "damaged"}.items()
    for name in store.run_names():
        try:
            run = store.outline(name)
            given[name] = run.settings
            statuses.append(_status(store, run, scene) if as_json else overview(store, run, scene))
        except (DamagedFile, OutOfReach) as error:
            damaged[name] = str(error)
            states[name] = next(word for kind, word in words if isinstance(error, kind))
    measured = {each.run: run_notes.size(store, each.run) for each in statuses} if sizes else {}
    differing = run_differences.differences(given)
    if as_json:
        problems = [{"run": name, "problem": problem} for name, problem in damaged.items()]
        facts = {"store": str(settings.store), "runs": statuses, "damaged": problems}
        emit(facts | {"differences": differing} | ({"sizes": measured} if sizes else {}))
    elif statuses or damaged:
        own, usual = run_differences.apart(differing)
        notes = run_notes.lines(own, measured, given)
        click.echo("\n".join(_listed(settings, statuses, states, scene, now, notes, usual)))
    else:
        click.echo(
            f"The store {settings.store} has no runs yet. Start one with: "
            + call(settings, "submit", "--all-backbones")
        )
    for problem in damaged.values():
        click.echo(f"error: {plain(problem)}", err=True)
    return 1 if damaged else 0


def _listed(
    settings: Settings,
    statuses: list[Any],
    damaged: dict[str, str],
    scene: Any,
    now: float,
    notes: dict[str, list[str]],
    usual: str,
) -> Iterator[str]:
    width = max(map(len, [*(each.run for each in statuses), *damaged]))
    yield f"{'run':<{width}}  state      tasks done  submitted"
    for each in statuses:
        done = f"{each.tasks.get('done', 0)}/{sum(each.tasks.values())}"
        ago = f"{duration(now - each.submitted_at)} ago"
        ago += f" by {each.theirs}" if each.theirs else ""
        why = f"  ({plain(each.waits_for)})" if each.waits_for else ""
        yield f"{each.run:<{width}}  {each.state:<9}  {done:>10}  {ago}{why}"
        yield from (f"  {plain(line)}" for line in each.unfit if not each.waits_for)
        yield from (f"  {plain(note)}" for note in notes.get(each.run, ()))
    for name, state in damaged.items():
        yield f"{name:<{width}}  {state}"
    if usual:
        yield f"where nothing else is said: {plain(usual)}"
    waiting = any(each.state == "waiting" for each in statuses)
    yield from _workers(settings, scene.workers, scene.silent, waiting)
    yield from (f"caution: {line}" for line in scene.newer)
    if statuses:
        yield f"details of a run: {call(settings, 'status', statuses[-1].run)}"


def _described(settings: Settings, status: Any, now: float) -> Iterator[str]:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(status.tasks.items()))
    ago = f"submitted {duration(now - status.submitted_at)} ago"
    why = f" ({plain(status.waits_for)})" if status.waits_for else ""
    yield f"run {status.run}: {status.state}{why}; tasks: {counts}; {ago}"
    yield from (f"some tasks wait: {plain(line)}" for line in status.unfit if not status.waits_for)
    if status.preparing != "done":
        state = "being prepared" if status.data_progress else status.preparing
        yield f"data set {status.data}: {state}"
    yield from _trials(status.trials)
    for package, versions in status.versions.items():
        yield (
            f"caution: results of this run used different versions of {package} "
            f"({', '.join(versions)}); numbers may differ between them"
        )
    for failure in status.failures:
        word = "quarantined" if failure.quarantined else "failed"
        yield f"{word}: {failure.task} ({failure.failure}): {failure.message}\n  log: {failure.log}"
    yield from _workers(settings, status.workers, status.silent, status.state == "waiting")
    yield from (f"caution: {line}" for line in status.newer)
    if status.failures:
        yield f"retry with: {call(settings, 'retry', status.run)}"


def _trials(trials: Sequence[TrialStatus]) -> Iterator[str]:
    """A line for each trial, in a grid with its setting, with several splits with that."""
    from jobs.spec import setting

    settings = [_apart(setting.told(trial.setting), trial.split) for trial in trials]
    width = max((len(trial.trial) for trial in trials), default=5)
    wide = max(map(len, ["setting", *settings])) + 2 if any(settings) else 0
    varies = any(trial.setting for trial in trials)
    head = f"{'setting' if varies else '':<{wide}}"
    yield f"{'trial':<{width}}  {head}state      period  epochs   accuracy  now"
    for trial, told in zip(trials, settings, strict=True):
        epochs = f"{trial.epochs_done}/{trial.epochs}"
        early = trial.stopped_early
        stopped = [] if early is None else [f"stopped early at epoch {early}"]
        if trial.probe_accuracy is not None:
            stopped = [f"probe accuracy {share(trial.probe_accuracy)}"]
        stopped += [trial.stopped_because] if trial.stopped_because else []
        doing = [f"{each.doing} on {each.worker}" for each in trial.progress]
        yield (
            f"{trial.trial:<{width}}  {told:<{wide}}{trial.state:<9}  "
            f"{trial.period}/{trial.periods:<4}  {epochs:<7}  {share(trial.accuracy):>8}  "
            f"{'; '.join([*stopped, *doing])}".rstrip()
        )


def _apart(setting: str, split: int | None) -> str:
    """What tells a trial from others of its network and seed: `learning_rate 0.01, split 2`."""
    return ", ".join(filter(None, [setting, "" if split is None else f"split {split}"]))


def _attempts(settings: Settings, tried: list[Any] | None, now: float) -> Iterator[str]:
    """A line an attempt, its message under those that did not end well, and where their
    logs lie.
    """
    if tried is None:
        return
    if not tried:
        yield "no attempt has been made yet"
        return
    width = max(len(each.task) for each in tried)
    told: dict[str, str] = {}
    yield f"{'task':<{width}}  attempt  state    failure           started     took      worker"
    for each in tried:
        began = "?" if each.started_at is None else f"{duration(now - each.started_at)} ago"
        took = (
            duration(each.finished_at - each.started_at)
            if each.finished_at and each.started_at
            else "-"
        )
        yield (
            f"{each.task:<{width}}  {each.attempt:>7}  {each.state:<7}  {each.failure or '-':<16}  "
            f"{began:<10}  {took:<8}  {each.worker or '?'}".rstrip()
        )
        if each.state in ("failed", "lost") and each.message:
            yield (
                "  same message"
                if told.get(each.task) == each.message
                else f"  {plain(each.message)}"
            )
            told[each.task] = each.message
    example = next(
        (each for each in reversed(tried) if each.state in ("failed", "lost")), tried[-1]
    )
    logs = StorePaths(settings.store).all_attempts_folder
    yield (
        f"each attempt has a log: {logs}/TASK/ATTEMPT.log, "
        f"such as {example.task}/{example.attempt:04d}.log"
    )
    yield f"show the logs of a task with: {call(settings, 'logs', example.task)}"


def _workers(
    settings: Settings, workers: Sequence[Heartbeat], silent: Sequence[Heartbeat], waiting: bool
) -> Iterator[str]:
    """Who is alive or silent, and what many do; what to do when tasks wait and nobody is alive."""
    from orchestrator.monitoring.workers import is_outdated

    if len(workers) <= IN_A_LINE:
        yield f"workers alive: {', '.join(sign.label for sign in workers) or 'none'}"
    else:
        idle = sum(not sign.tasks for sign in workers)
        yield f"workers alive: {len(workers)}, {idle} of them idle"
        width = max(len(sign.label) for sign in workers)
        for sign in workers:
            yield f"  {sign.label:<{width}}  {', '.join(sign.tasks) or 'idle'}"
    if older := [sign.name for sign in workers if is_outdated(sign)]:
        shown = ", ".join(older[:IN_A_LINE]) + (", ..." if len(older) > IN_A_LINE else "")
        yield (
            f"older than this orch: {shown}. Runs with settings that they do not know wait for "
            "others. Upgrade them: deploy/UPGRADE.md"
        )
    for sign in silent:
        end = "its process has ended; " if sign.ended else ""
        yield f"silent: {sign.label} on {sign.host}, {end}last heard of {duration(sign.age_s)} ago"
    if waiting and not workers:
        up = call(settings, "up")
        yield (
            f"tasks are waiting for a worker. Start workers here with: {up}; on a GPU machine "
            f"with: {call(settings, 'worker')}"
        )
