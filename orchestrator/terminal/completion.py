"""Completion of option values in a shell, from the registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from jobs.catalog.backbones import CATALOG
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.catalog.corruptions import CORRUPTIONS
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.presets import PRESETS
from jobs.catalog.schedules import SCHEDULES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
Words = Mapping[str, str]
"""What may be typed, each with a line of help."""
ALL = "all"


def one_of(words: Callable[[], Words]) -> Complete:
    """Complete one word."""
    return lambda context, parameter, begun: _items(words(), begun)


def list_of(words: Callable[[], Words]) -> Complete:
    """Complete the last word of a list with commas."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        before, comma, last = begun.rpartition(",")
        given = {*before.split(","), ALL} if comma else set()
        left = {word: told for word, told in words().items() if word not in given}
        return _items(left, last, before + comma)

    return complete


def word_or_folder(words: Callable[[], Words]) -> Complete:
    """Complete one word, or the name of a folder."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [*_items(words(), begun), CompletionItem(begun, type="dir")]

    return complete


def backbones() -> Words:
    """The backbones of the catalog."""
    return {name: entry.summary for name, entry in CATALOG.items()}


def built_in_data() -> Words:
    """The built-in data sets."""
    return {name: entry.help for name, entry in BUILT_IN_DATA.items()}


def corruptions() -> Words:
    """`all`, and each corruption."""
    return {ALL: "every corruption"} | {name: each.help for name, each in CORRUPTIONS.items()}


def _items(words: Words, begun: str, before: str = "") -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(before + word, help=told)
        for word, told in words.items()
        if word.startswith(begun)
    ]


COMPLETIONS: dict[str, Complete] = {
    "data": word_or_folder(built_in_data),
    "backbones": list_of(backbones),
    "corruptions": list_of(corruptions),
    "optimiser": list_of(lambda: {name: entry.help for name, entry in OPTIMISERS.items()}),
    "preset": one_of(lambda: {name: entry.help for name, entry in PRESETS.items()}),
    "schedule": list_of(lambda: {name: entry.help for name, entry in SCHEDULES.items()}),
}
"""How the values of keys of a specification are completed."""
