"""What a network must keep to: the latency of an image, and the size of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from jobs.errors import BadSpec
from jobs.spec import quantity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Constraints:
    """Upper limits; None where there is none. The latency is the 95th percentile of one image."""

    max_latency_ms: float | None = None
    max_size_bytes: int | None = None

    def __bool__(self) -> bool:
        return self.max_latency_ms is not None or self.max_size_bytes is not None


def read(max_latency: str | None, max_size: str | None) -> Constraints:
    """The constraints as a user writes them (`20ms`, `10MB`); raises `BadSpec`."""
    return Constraints(
        _parsed("--max-latency", max_latency, quantity.milliseconds),
        _parsed("--max-size", max_size, quantity.size_bytes),
    )


def _parsed(option: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    if not isinstance(text, str | None):  # Python programs may give a number
        raise BadSpec(f"{option}: {text!r} has no unit. Give a text such as '20ms' or '10MB'.")
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise BadSpec(f"{option}: {error}") from None
