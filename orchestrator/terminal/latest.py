"""The run that a command without RUN is about: the latest that has what the command needs."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobs.store.runs import Run, RunOutline
    from jobs.store.store import Store

SHOWN = 8


def latest_with(store: Store, kind: str, other: Sequence[str] = ()) -> Run:
    """The latest run with a finished task of this kind; says so where a later run has none.

    With `other`, the words after `orch` that name another run, it also says so where an earlier
    one has results too: for commands that do not begin with the run's name. Where no run has one
    it is the latest that trains, else the latest. Raises `UnknownRun`.
    """
    from jobs.settings import command_line
    from jobs.store.latest import latest_having

    latest = latest_having(store, kind)
    run, later = latest.run, latest.later
    if later:
        from jobs.spec import unknown_entries

        why = "ranks networks only" if later.settings.get("rank") else "has no result for this yet"
        why = unknown_entries.told(later.settings) or why
        click.echo(f"run {run.name} is used: {later.name} is later, but {why}", err=True)
    elif latest.several and other:
        way = command_line(store.root, *other)
        click.echo(
            f"run {run.name} is used: it is the latest with results. Name another with: {way}",
            err=True,
        )
    return run


def latest_in(store: Store, states: Collection[str], needed: str) -> str:
    """The name of the latest run with a task in one of these states; of several runs it is said.

    Raises `UnknownRun` where there is none; `needed` says what none has.
    """
    from jobs.errors import UnknownRun
    from jobs.spec import unknown_entries

    every = _with_tasks(store, states)
    fitting = [run for run in every if not unknown_entries.told(run.settings)]
    if not fitting:
        store.latest_name()
        raise UnknownRun(f"no run of the store {store.root} has {needed}.")
    if len(store.run_names()) > 1:
        click.echo(f"run {fitting[-1].name} is used: it is the latest with {needed}", err=True)
    return fitting[-1].name


def only_open(store: Store) -> str:
    """The name of the only run with open tasks.

    Raises `UnknownRun` for none, for several, and for one that somebody else submitted.
    """
    from jobs.errors import UnknownRun
    from jobs.settings import command_line
    from orchestrator.this_user import other_submitter

    every = list(_with_tasks(store, ("open",)))
    fitting = [run.name for run in every]
    if len(fitting) == 1:
        if theirs := other_submitter(every[0].provenance):
            raise UnknownRun(
                f"the only open run, {fitting[0]}, was submitted by {theirs}. To cancel it all the "
                f"same: {command_line(store.root, 'cancel', fitting[0])}."
            )
        return fitting[0]
    if not fitting:
        raise UnknownRun(f"no run of the store {store.root} is open; there is nothing to cancel.")
    ways = "; ".join(_cancelling(store, run) for run in every[-SHOWN:])
    raise UnknownRun(f"{len(fitting)} runs are open. Name the one to cancel: {ways}.")


def _cancelling(store: Store, run: RunOutline) -> str:
    """The command, and whose the run is if it is somebody else's."""
    from jobs.settings import command_line
    from orchestrator.this_user import other_submitter

    theirs = other_submitter(run.provenance)
    return command_line(store.root, "cancel", run.name) + (f" (of {theirs})" if theirs else "")


def _with_tasks(store: Store, states: Collection[str]) -> list[RunOutline]:
    """The readable runs with a task in one of these states, in order of submission."""
    from jobs import readiness
    from jobs.errors import DamagedFile, OutOfReach

    ledger, fitting = store.ledger(), []
    for name in store.run_names():
        with contextlib.suppress(DamagedFile, OutOfReach, OSError):
            run = store.outline(name)
            if {*readiness.task_states(store, run, ledger).values()} & {*states}:
                fitting.append(run)
    return fitting
