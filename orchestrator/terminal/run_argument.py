"""The argument RUN of commands: completed from the store, and mostly left out for the latest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def run_argument(name: str = "run", required: bool = False) -> Callable[[F], F]:
    """One run. Its value is None where it is not given."""
    metavar = "RUN" if required else "[RUN]"
    return click.argument(name, metavar=metavar, required=required, shell_complete=run_names)


def runs_argument(command: F) -> F:
    """Any number of runs."""
    return click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=run_names)(command)


def run_names(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of runs of the store that are not given yet; none where it cannot be read.

    Only a folder is listed, so that a shell answers at once.
    """
    from click.shell_completion import CompletionItem

    from jobs import atomic, settings
    from jobs.errors import OrchError
    from jobs.store.paths import StorePaths

    try:
        known = ctx.obj if isinstance(ctx.obj, settings.Settings) else settings.read()
        names = atomic.list_names(StorePaths(known.store).runs_folder)
    except (OrchError, OSError, ValueError):
        return []
    given = ctx.params.get("runs") or ()
    return [CompletionItem(n) for n in names if n.startswith(begun) and n not in given]


def run_names_or_files(
    ctx: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """The same, and files where no run is called like this."""
    from click.shell_completion import CompletionItem

    return run_names(ctx, parameter, begun) or [CompletionItem(begun, type="file")]
