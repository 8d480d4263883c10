"""A request as commands read it: the keys that options give, and notes on its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.preflight import Request


def given_keys(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a specification from the options that were given; raises `BadSpec`."""
    from jobs.errors import BadSpec

    if options["all_backbones"] and options["backbones"]:
        raise BadSpec("--all-backbones and --backbone were both given. Give only one of them.")
    given = {key: value for key, value in options.items() if value is not None and value != ()}
    if given.pop("all_backbones"):
        given["backbones"] = "all"
    return given


def notes_on_data(request: Request) -> list[str]:
    """Notes on the data of a request, with progress; raises `BadFolder` for broken files."""
    from orchestrator.datasets import at_submit
    from orchestrator.terminal import progress_bar

    with progress_bar.progress_when_slow("looking at the images") as tell:
        return at_submit.of_request(request, tell)
