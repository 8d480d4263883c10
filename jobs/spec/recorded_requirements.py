"""What the recorded values of a specification require; read without pydantic, for status."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from jobs.spec import size


def recorded_bytes(settings: Mapping[str, Any], backbone: str) -> int:
    """The GPU memory that the recorded values of a specification require for a network.

    0 if none is required, or if the values cannot be read.
    """
    networks = settings.get("networks")
    own = networks.get(backbone) if isinstance(networks, Mapping) else None
    places = (own if isinstance(own, Mapping) else {}, settings)
    for required in (place.get("requires") for place in places):
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            if isinstance(required, Mapping):
                return size.to_bytes(required["gpu_memory"])
    return 0


def any_recorded(settings: Mapping[str, Any]) -> bool:
    """Whether the recorded values require anything for any network."""
    networks = settings.get("networks")
    each = networks.values() if isinstance(networks, Mapping) else ()
    own = (one.get("requires") for one in each if isinstance(one, Mapping))
    return any((settings.get("requires"), *own))
