"""What a network must keep to: the latency of an image, and the size of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from jobs.errors import BadSpec
from jobs.spec import quantity

T = TypeVar("T")
Limit = Literal["latency", "size"]


@dataclass(frozen=True, slots=True)
class Constraints:
    """Upper limits; None where there is none. The latency is the 95th percentile of one image."""

    max_latency_ms: float | None = None
    max_size_bytes: int | None = None

    def __bool__(self) -> bool:
        return self.max_latency_ms is not None or self.max_size_bytes is not None

    def broken_by(self, latency_ms: float | None, size_bytes: int | None) -> tuple[Limit, ...]:
        """The limits that a network breaks; what is unknown (None) breaks none."""
        broken: list[Limit] = []
        if self.max_latency_ms is not None and latency_ms is not None:
            broken += ["latency"] if latency_ms > self.max_latency_ms else []
        if self.max_size_bytes is not None and size_bytes is not None:
            broken += ["size"] if size_bytes > self.max_size_bytes else []
        return tuple(broken)

    def unmeasured(self, latency_ms: float | None, size_bytes: int | None) -> tuple[Limit, ...]:
        """The limits of which nothing was measured (None)."""
        unknown: list[Limit] = []
        if self.max_latency_ms is not None and latency_ms is None:
            unknown.append("latency")
        if self.max_size_bytes is not None and size_bytes is None:
            unknown.append("size")
        return tuple(unknown)


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
