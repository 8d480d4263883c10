"""What a network requires of the device that trains it: `{gpu_memory: 20GB}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from jobs.catalog.suggest import unknown
from jobs.spec import size

NONE = "none"
EXAMPLE = "a size of GPU memory is needed, such as {gpu_memory: 20GB}"


class Requirements(BaseModel):
    """What a device must have, as it was given; it changes no result and no name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu_memory: str

    @property
    def gpu_memory_bytes(self) -> int:
        """The memory of the GPU in bytes."""
        return size.to_bytes(self.gpu_memory)


def parse(value: Any) -> Any:
    """A mapping, or its text `gpu_memory=20GB`; None for `none`. Raises `ValueError`."""
    if value is None or value == NONE or isinstance(value, Requirements):
        return None if value == NONE else value
    if isinstance(value, str):
        key, equals, given = value.partition("=")
        value = {key.strip(): given} if equals else None
    if not isinstance(value, Mapping) or not value:
        raise ValueError(EXAMPLE)
    known = list(Requirements.model_fields)
    tidy = {str(key).replace("-", "_"): given for key, given in value.items()}
    for key, given in tidy.items():
        if key not in known:
            raise ValueError(unknown("key", key[:80], known))
        try:
            size.to_bytes(given)
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"{EXAMPLE}, above 0 and with its unit") from None
    return {key: given.strip() for key, given in tidy.items()}


Requires = Annotated[Requirements | None, BeforeValidator(parse)]
