"""`orch verify`: verify the checksums of a run's files; replay a trial with kills and compare."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from jobs import install_hints
from jobs.errors import MissingExtra
from jobs.settings import Settings
from orchestrator.formatting import megabytes
from orchestrator.terminal.options import (
    call,
    emit,
    examples,
    json_option,
    setting_option,
    store_option,
)
from orchestrator.terminal.run_argument import run_argument

KILLS = 3


@click.command(
    epilog=examples(
        "orch verify digits-3x10-1f3a9c", "orch verify digits-3x10-1f3a9c --replay --kills 5"
    )
)
@run_argument()
@click.option(
    "--repair", is_flag=True, help="Remove damaged files; 'orch resume' then creates them again."
)
@click.option(
    "--replay",
    is_flag=True,
    help="Train a trial again, killed at random points, and compare the results.",
)
@click.option(
    "--kills",
    type=click.IntRange(0, 1000),
    metavar="N",
    help=f"Number of kills in a replay.  [default: {KILLS}]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Seed of the kill times.  [default: 0]",
)
@click.option(
    "--trial",
    metavar="TRIAL",
    help="The trial to replay.  [default: the cheapest trained one]",
)
@click.option(
    "--backbone", metavar="NAME", help="Replay a trial of this network, that of its first seed."
)
@setting_option
@json_option
@store_option
@click.pass_obj
def verify_command(
    settings: Settings,
    run: str | None,
    repair: bool,
    replay: bool,
    kills: int | None,
    seed: int | None,
    trial: str | None,
    backbone: str | None,
    setting: dict[str, Any],
    as_json: bool,
) -> int:
    """Verify the checksums of all files that a run has published, checkpoints included.

    Without RUN, it is the latest with anything done.
    Exit code 1 if a file is damaged, or if a replay ends with different weights or rows. A replay
    uses a separate folder and does not change the run.
    """
    from jobs.store.store import Store
    from orchestrator import preflight, verification
    from orchestrator.terminal import latest, progress_bar

    _refuse_without_replay(replay, kills, seed, trial, backbone, setting or None)
    store = Store(settings.store).open()
    run = latest.latest_in(store, ("done",), "anything done") if run is None else run
    loaded = store.load_run(run)
    chosen = _replayable(store, loaded, trial, backbone, setting) if replay else None
    if repair or replay:
        preflight.require_writable(settings.store)
    with progress_bar.progress_when_slow("reading the run's files", "MB") as tell:
        checked = verification.verify_run(store, loaded, repair, tell)
    if not as_json:
        _tell(settings, run, checked, repair)
    result = None
    if chosen is not None and not checked.damaged:
        result = _replay(settings, store, chosen, kills, seed or 0, as_json)
    same = result is None or (result.same_weights and result.same_rows)
    if as_json:
        emit({"run": run, "ok": not checked.damaged and same} | _facts(checked, repair, result))
    return 1 if checked.damaged or not same else 0


def _refuse_without_replay(replay: bool, *given: Any) -> None:
    if not replay and any(each is not None for each in given):
        raise click.UsageError(
            "--kills, --seed, --trial, --backbone and --setting need --replay. Add it, or remove "
            "them."
        )


def _facts(checked: Any, repair: bool, result: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "files": checked.files,
        "bytes": checked.bytes,
        "damaged": [
            {"path": each.path, "problem": each.problem, "task": each.task}
            for each in checked.damaged
        ],
        "repaired": repair and bool(checked.damaged),
        "again": list(checked.again),
        "resume": list(checked.resume),
        "replay": None if result is None else asdict(result),
    }


def _replayable(
    store: Any, run: Any, asked: str | None, backbone: str | None, setting: dict[str, Any]
) -> str:
    from orchestrator import verification

    if asked is not None and (backbone is not None or setting):
        raise click.UsageError("--trial names one trial already. Remove --backbone and --setting.")
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchvision") is None:
        raise MissingExtra(
            f"a replay needs torch. Install it with: {install_hints.install_command('worker')}"
        )
    return verification.trial_to_replay(store, run, asked, backbone, setting)


def _tell(settings: Settings, run: str, checked: Any, repair: bool) -> None:
    for each in checked.damaged:
        made = f" (made by {each.task})" if each.task else ""
        click.echo(f"damaged: {settings.store / each.path} {each.problem}{made}")
    size = f"{checked.files:,} files, {megabytes(checked.bytes)}"
    if not checked.damaged:
        click.echo(f"run {run}: {size}, all checksums match")
    elif not repair:
        click.echo(
            f"{len(checked.damaged):,} of {size} are damaged. Remove them, so that they are "
            f"created again, with: {call(settings, 'verify', run, '--repair')}"
        )
    else:
        ways = [call(settings, "resume", name) for name in checked.resume]
        click.echo(
            f"{len(checked.damaged):,} of {size} were damaged and have been removed. "
            + (
                f"{len(checked.again)} task(s) must be repeated: {'; '.join(ways)}"
                if checked.again
                else "No task must be repeated."
            )
        )


def _replay(
    settings: Settings, store: Any, trial: str, kills: int | None, seed: int, as_json: bool
) -> Any:
    from orchestrator.terminal import progress_bar
    from orchestrator.verification import done_of
    from workers import replay as replays

    kills = KILLS if kills is None else kills
    click.echo(f"replaying {trial} with {kills} kill(s), seed {seed}", err=True)
    with progress_bar.progress_when_slow("replaying", "epochs") as show:

        def tell(message: dict[str, Any]) -> None:
            if message.get("phase") == "killed":
                click.echo(f"killed {message['done']} of {message['total']} times", err=True)
            elif (done := done_of(message)) is not None:
                show(*done)

        verdict = replays.replay_trial(
            store, trial, kills=kills, seed=seed, weights_dir=settings.weights_dir, tell=tell
        )
    if not as_json:
        click.echo(_verdict(verdict))
    return verdict


def _verdict(verdict: Any) -> str:
    told = (
        f"{verdict.trial} trained again up to epoch {verdict.epoch}, killed {verdict.kills} time(s)"
    )
    if verdict.same_weights and verdict.same_rows:
        return f"{told}: weights and rows are identical bit for bit"
    differing = [
        name
        for name, same in (("weights", verdict.same_weights), ("rows", verdict.same_rows))
        if not same
    ]
    return (
        f"{told}: {' and '.join(differing)} differ from the published ones. They can be identical "
        "only on the same kind of CPU with the same versions; on a GPU only with --deterministic."
    )
