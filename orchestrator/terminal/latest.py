"""The run that a command without RUN is about: the latest that has what the command needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store


def latest_with(store: Store, kind: str) -> Run:
    """The latest run with a finished task of this kind; says so where a later run has none.

    Where no run has one it is the latest that trains, else the latest. Raises `UnknownRun`.
    """
    from jobs.store.latest import latest_having

    run, later = latest_having(store, kind)
    if later:
        from jobs.spec import unknown_entries

        why = "ranks networks only" if later.settings.get("rank") else "has no result for this yet"
        why = unknown_entries.told(later.settings) or why
        click.echo(f"run {run.name} is used: {later.name} is later, but {why}", err=True)
    return run
