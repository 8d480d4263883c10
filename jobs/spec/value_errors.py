"""Describe specification keys, and turn pydantic errors into readable messages."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from jobs.spec.keys import KEYS
from jobs.spec.texts import text

SHOWN = 80
OURS = "value_error"
"""Pydantic error type raised by our own validators; its message is shown unchanged."""


def describe_errors(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first error in one line: the key, the accepted values and the given value."""
    first = min(error.errors(), key=_order)
    place = first["loc"]
    key = str(place[0]) if place else "the specification"
    others = len({each["loc"][:1] for each in error.errors()}) - 1
    more = f" ({others} more)" if others else ""
    if first["type"] == OURS:
        reason = first["msg"].removeprefix("Value error, ")
    elif key not in model.model_fields:
        return f"unknown key '{key[:SHOWN]}'{more}"
    else:
        reason = f"{describe_key(key, model.model_fields[key])} is needed"
    given = repr(first.get("input"))
    if not place or (first["type"] == "missing" and len(place) == 1):
        return f"{key}: {reason}{more}"
    return (
        f"{key}: {reason} (given: {given if len(given) <= SHOWN else given[:SHOWN] + '...'}){more}"
    )


def _order(error: ErrorDetails) -> int:
    """Errors are told in the order of the documentation, not of the classes that own the keys."""
    key = str(error["loc"][0]) if error["loc"] else ""
    return list(KEYS).index(key) if key in KEYS else len(KEYS)


def first_problem(error: Exception, model: type[BaseModel]) -> str:
    """Like `describe_errors`, for any error raised by a record's values; at most 120 characters."""
    text = (
        describe_errors(error, model)
        if isinstance(error, ValidationError)
        else " ".join(str(error).split())
    )
    return text[:120].rstrip(".")


def describe_key(key: str, field: FieldInfo) -> str:
    """What a key accepts: `a whole number from 1 to 10,000`, `one of auto, fp32, bf16`."""
    if key in KEYS and KEYS[key].needs is not None:
        return needs(key)
    kinds = (
        get_args(field.annotation)
        if get_origin(field.annotation) in (Union, types.UnionType)
        else (field.annotation,)
    )
    words = [_kind(kind, field.metadata) for kind in kinds if kind is not type(None)]
    return " or ".join([*words, *(["none"] if len(words) < len(kinds) else [])])


def needs(key: str) -> str:
    """What a key takes, in the words of `keys.KEYS`."""
    return text(str(KEYS[key].needs))


def _kind(kind: Any, metadata: Sequence[Any]) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if kind is bool:
        return "true or false"
    return f"{'a whole number' if kind is int else 'a number'}{_bounds(metadata)}"


def _bounds(metadata: Sequence[Any]) -> str:
    """Describe numeric bounds: `from 1 to 10,000`, `above 0 and below 1`."""
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    bounds = {
        name: getattr(each, name) for each in metadata for name in words if hasattr(each, name)
    }
    if bounds.keys() == {"ge", "le"}:
        return f" from {bounds['ge']:,} to {bounds['le']:,}"
    told = " and ".join(f"{words[name]} {bound:,}" for name, bound in bounds.items())
    return f" {told}" if told else ""
