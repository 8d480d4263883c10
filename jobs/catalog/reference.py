"""References to backbones: a name of the catalog, `timm:NAME`, `FILE.py:FUNCTION` and the like."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal, NamedTuple

from jobs import file_names
from jobs.catalog.backbones import CATALOG
from jobs.catalog.suggest import SHOWN, unknown
from jobs.errors import UnknownBackbone

Library = Literal["catalog", "torchvision", "timm", "entry", "file"]
PREFIXES: dict[str, Library] = {"torchvision": "torchvision", "timm": "timm", "entry": "entry"}
EXAMPLES = {"torchvision": "convnext_tiny", "timm": "vit_small_patch16_224", "entry": "my-network"}
FORMS = "torchvision:NAME, timm:NAME, FILE.py:FUNCTION or entry:NAME"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
FILE_NAME = re.compile(r"[\w.+-]{1,60}", re.ASCII)
SLUG_LENGTH = 56
DIGITS = 8
"""Digits of a checksum in the name of a trial."""


class Reference(NamedTuple):
    """A parsed reference.

    `name` is the network's name in its library, or the function of an own file. `path` is that
    file as it was given.
    """

    library: Library
    name: str
    path: str | None = None

    @property
    def label(self) -> str:
        """What the column `backbone` holds: the reference as given, an own file without folders.

        What else than letters, digits, '.', '_', '+' and '-' is in its name becomes a '-'.
        """
        if self.library == "catalog":
            return self.name
        if self.path is not None:
            return f"{_shown_name(self.path)}:{self.name}"
        return f"{self.library}:{self.name}"


def parse(given: str) -> Reference:
    """The reference in a text; raises `UnknownBackbone` for one of no known form."""
    given = given.strip()
    if given in CATALOG:
        return Reference("catalog", given)
    prefix, colon, name = given.partition(":")
    if colon and prefix in PREFIXES:
        if not name:
            raise UnknownBackbone(
                f"'{given}' names no network. Write {prefix}:NAME, such as "
                f"{prefix}:{EXAMPLES[prefix]}."
            )
        if not NAME.fullmatch(name):
            raise UnknownBackbone(
                f"'{given[:SHOWN]}' is not a name: letters, digits, '.', '_' and '-' are allowed."
            )
        return Reference(PREFIXES[prefix], name)
    path, _, function = given.rpartition(":")
    if path.endswith(".py"):
        return _of_file(given, path, function)
    if given.endswith(".py"):
        raise UnknownBackbone(
            f"'{given[:SHOWN]}' names no function. Write {given[:SHOWN]}:FUNCTION, where "
            "FUNCTION(num_classes) returns the network."
        )
    if colon:
        raise UnknownBackbone(_unknown_prefix(given, prefix))
    raise UnknownBackbone(f"{unknown('backbone', given, CATALOG)}. Others are written {FORMS}.")


def _of_file(given: str, path: str, function: str) -> Reference:
    if not FUNCTION.fullmatch(function):
        raise UnknownBackbone(
            f"'{given[:SHOWN]}' names no function after the file. Write {path[:SHOWN]}:FUNCTION, "
            "where FUNCTION(num_classes) returns the network."
        )
    if not FILE_NAME.fullmatch(_shown_name(path)):
        raise UnknownBackbone(
            f"'{PurePath(path).name[:SHOWN]}' is not a usable file name: give one of at most 60 "
            "characters."
        )
    return Reference("file", function, path)


def _shown_name(path: str) -> str:
    """The name of an own file as results hold it."""
    name = PurePath(path).name
    return name if FILE_NAME.fullmatch(name) else file_names.plain(name)


def _unknown_prefix(given: str, prefix: str) -> str:
    near = difflib.get_close_matches(prefix.lower()[:SHOWN], PREFIXES, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}:'?" if near else ""
    return (
        f"unknown prefix '{prefix[:SHOWN]}:' in the backbone '{given[:SHOWN]}'.{hint} Write a name "
        f"of the catalog (orch models), {FORMS}."
    )


def slug(label: str, source: str | None = None) -> str:
    """The reference as the name of a trial begins: lower-case letters, digits and `-`.

    `source` is the checksum of an own file, of which the name shows the first digits.
    """
    words = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:SLUG_LENGTH].strip("-")
    return words if source is None else f"{words}-{source[:DIGITS]}"


def outside_catalog(labels: Iterable[str]) -> list[str]:
    """Those of the labels that the catalog does not hold."""
    return [label for label in labels if label not in CATALOG]
