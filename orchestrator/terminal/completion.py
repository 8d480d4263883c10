"""Completion of option values in a shell, from the registries."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
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
TIMM = "timm:"
OF_TIMM = re.compile(r"^@register_model\s*\ndef (\w+)\(", re.MULTILINE)
"""How a source file of timm says that a function makes one of its networks."""
ALL = "all"


def one_of(words: Callable[[str], Words]) -> Complete:
    """Complete one word; `words` gets what is typed of it."""
    return lambda context, parameter, begun: _items(words(begun), begun)


def list_of(words: Callable[[str], Words]) -> Complete:
    """Complete the last word of a list with commas; `words` gets what is typed of it."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        before, comma, last = begun.rpartition(",")
        given = {*before.split(","), ALL} if comma else set()
        left = {word: told for word, told in words(last).items() if word not in given}
        return _items(left, last, before + comma)

    return complete


def word_or_folder(words: Callable[[str], Words]) -> Complete:
    """Complete one word, or the name of a folder."""

    def complete(
        context: click.Context, parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [*_items(words(begun), begun), CompletionItem(begun, type="dir")]

    return complete


def backbones(begun: str = "") -> Words:
    """The backbones of the catalog, and timm's where its prefix is begun."""
    known = {name: entry.summary for name, entry in CATALOG.items()}
    asks_timm = bool(begun) and (TIMM.startswith(begun) or begun.startswith(TIMM))
    return {**known, **_of_timm()} if asks_timm else known


def _of_timm() -> Words:
    """The networks of timm, where it is installed: read off its files, as importing takes long."""
    with contextlib.suppress(OSError, ImportError, ValueError):
        spec = importlib.util.find_spec("timm")
        places = [] if spec is None else spec.submodule_search_locations or []
        files = [file for place in places for file in Path(place, "models").rglob("*.py")]
        names = {name for file in files for name in OF_TIMM.findall(file.read_text("utf-8"))}
        return {f"{TIMM}{name}": "" for name in sorted(names)}
    return {}


def built_in_data(begun: str = "") -> Words:
    """The built-in data sets."""
    return {name: entry.help for name, entry in BUILT_IN_DATA.items()}


def corruptions(begun: str = "") -> Words:
    """`all`, and each corruption."""
    return {ALL: "every corruption"} | {name: each.help for name, each in CORRUPTIONS.items()}


def _items(words: Words, begun: str, before: str = "") -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [
        CompletionItem(before + word, help=told or None)
        for word, told in words.items()
        if word.startswith(begun)
    ]


COMPLETIONS: dict[str, Complete] = {
    "data": word_or_folder(built_in_data),
    "backbones": list_of(backbones),
    "corruptions": list_of(corruptions),
    "optimiser": list_of(lambda _: {name: entry.help for name, entry in OPTIMISERS.items()}),
    "preset": one_of(lambda _: {name: entry.help for name, entry in PRESETS.items()}),
    "schedule": list_of(lambda _: {name: entry.help for name, entry in SCHEDULES.items()}),
}
"""How the values of keys of a specification are completed."""
