"""The type of an option that takes one value or several, with commas or repeated."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NONE = "none"


class Several(click.ParamType[Any]):
    """Values of another type, separated by commas; a text with `=` is one value.

    `or_none` says that the word `none` is a value too.
    """

    def __init__(self, of: click.ParamType[Any], or_none: bool) -> None:
        self.of, self.or_none = of, or_none
        self.name = of.name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """The values; fails as the other type does for the first that it refuses."""
        if isinstance(value, tuple):
            return value
        parts = [value] if "=" in value else [part.strip() for part in value.split(",")]
        return tuple(
            part if self.or_none and part == NONE else self.of.convert(part, param, ctx)
            for part in parts
        )

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """How the values are written."""
        shown = self.of.get_metavar(param, ctx) or self.of.name.upper()
        return f"{shown},..."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the last value."""
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        items = self.of.shell_complete(ctx, param, last)
        return [CompletionItem(before + comma + each.value, help=each.help) for each in items]


def flat(
    ctx: click.Context, option: click.Parameter, given: Iterable[tuple[Any, ...]]
) -> tuple[Any, ...]:
    """Callback: the values of a repeated option in one tuple."""
    return tuple(chain.from_iterable(given))
