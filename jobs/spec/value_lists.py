"""Check the values of a list, where a key of a specification may have several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.errors import BadSpec
from jobs.spec import value_errors
from jobs.spec.setting import value_told


def checked(key: str, values: Sequence[Any], model: type[BaseModel]) -> tuple[Any, ...]:
    """The values as the field `key` of the model holds them; raises `BadSpec`.

    A value that is in the list twice is refused, because another one was probably meant.
    """
    if not values:
        raise BadSpec(f"{key}: the list is empty. Give at least one value, or leave the key out.")
    several: list[Any] = []
    for value in values:
        try:
            several.append(getattr(model(**{key: value}), key))
        except ValidationError as error:
            raise BadSpec(f"{value_errors.describe_errors(error, model)}.") from None
        if several[-1] in several[:-1]:
            raise BadSpec(f"{key}: {value_told(several[-1])} is in the list twice.")
    return tuple(several)
