"""Options of commands that set keys of a specification, with texts from `jobs.spec.keys`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobs.spec import texts
from jobs.spec.keys import KEYS, RECIPE_KEYS, Key
from orchestrator.terminal.completion import COMPLETIONS
from orchestrator.terminal.several import Several, flat

F = TypeVar("F", bound=Callable[..., Any])


def spec_options(command: F) -> F:
    """An option for every key of a specification that has one: backbones, then the others."""
    names = sorted((name for name, key in KEYS.items() if key.option), key="backbones".__ne__)
    for name in reversed(names):
        command = spec_option(name)(command)
    return command


def spec_option(name: str) -> Callable[[F], F]:
    """The option of one key. Its value is None, or empty, where the option is not given."""
    key = KEYS[name]
    default = "" if name == "backbones" else f"  [default: {texts.default_shown(name)}]"
    listed = name in RECIPE_KEYS and key.kind is not bool
    metavar = texts.text(key.metavar) if key.metavar else None
    kind = click.types.convert_type(click.Choice(key.choices) if key.choices else key.kind)
    return click.option(
        *_words(name, key),
        type=Several(kind, key.default is None) if listed else kind,
        default=None,
        multiple=listed or name == "backbones",
        callback=flat if listed else None,
        metavar=f"{metavar.removesuffix(',...')},..." if metavar and listed else metavar,
        help=texts.text(key.option) + default,
        shell_complete=COMPLETIONS.get(name),
    )


def _words(name: str, key: Key) -> list[str]:
    """How the option is written."""
    word = name.replace("_", "-")
    if key.kind is bool:
        return [f"--{word}/--no-{word}"]
    if name == "optimiser":
        return ["--optimiser", "--optimizer"]
    return ["--backbone", name] if name == "backbones" else [f"--{word}"]
