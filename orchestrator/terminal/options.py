"""Options and output that commands share: store, JSON, durations, next commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from jobs.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

SCHEMA = 1
"""The version of the keys of `--json` documents (docs/json.md).

Keys are added under the same version. It grows when a key goes, or changes its meaning or type.
"""


def _choose_store(ctx: click.Context, option: click.Parameter, folder: str | None) -> None:
    if folder is not None or ctx.obj is None:
        from dataclasses import replace

        from jobs import settings

        known = ctx.obj or settings.read()
        ctx.obj = (
            known if folder is None else replace(known, store=settings.folder(folder, "--store"))
        )


def store_option(command: F) -> F:
    """The option `--store DIR`, before or after the command name.

    The context object becomes `Settings`.
    """
    return click.option(
        "--store",
        metavar="DIR",
        expose_value=False,
        callback=_choose_store,
        is_eager=True,
        help="Folder of data sets, trials and runs.  [env: ORCH_STORE; default: ./orch-store]",
    )(command)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON document on stdout."
)


def _parse_setting(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> Any:
    """Callback: values of keys of the recipe."""
    if not given:
        return {}
    from orchestrator.analysis import setting_choice

    return setting_choice.parse(given)


setting_option = click.option(
    "--setting",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_parse_setting,
    help="Of several settings of a network, that with this value, such as learning_rate=0.003. "
    "Repeatable.",
)


split_option = click.option(
    "--split",
    type=int,
    metavar="N",
    help="Of several splits (--splits), the networks of the one with this split_seed.  "
    "[default: the first]",
)


def examples(*lines: str) -> str:
    """Epilog of a help text: example commands."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document with the version of its keys; dataclasses become objects."""
    import json

    versioned = {"schema": SCHEMA, **document}
    click.echo(json.dumps(versioned, indent=2, ensure_ascii=False, default=fields))


def fields(value: Any) -> dict[str, Any]:
    """Fields of a dataclass; nested dataclasses stay as they are."""
    import dataclasses

    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def call(asked: Settings, *words: str) -> str:
    """A command to type next, with `--store` if the environment does not set it."""
    from jobs import settings

    return settings.command_line(asked.store, *words)


def seconds(ctx: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Callback: a duration such as `90`, `30s`, `10m`, `2h` in seconds."""
    if value is None:
        return None
    from jobs.spec import duration

    try:
        return duration.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


def memory_bytes(ctx: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """Callback: a size of memory such as `20GB` or `512MB` in bytes."""
    if value is None:
        return None
    from jobs.spec import size

    try:
        return size.to_bytes(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None
