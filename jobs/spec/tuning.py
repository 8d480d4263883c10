"""The ladder of values of a tuned key: what each network is trained with for one period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs.spec.keys import KEYS

if TYPE_CHECKING:
    from jobs.spec.networks import Network

LADDERED = "learning_rate"
"""The key that has a ladder of its own."""
FACTORS = (1.0, 0.1, 0.3, 3.0)
"""The recipe's own value first, then those beside it: steps of about half a power of ten."""


def key_of(value: Any) -> Any:
    """A tuned key as it is recorded: `learning-rate` is `learning_rate`, `none` is nothing."""
    if not isinstance(value, str):
        return value
    return None if value.strip() in ("none", "") else value.strip().replace("-", "_")


def ladder(value: float) -> tuple[float, ...]:
    """The ladder around a value, itself first; three digits, so that names stay short."""
    return tuple(value if factor == 1 else float(f"{factor * value:.3g}") for factor in FACTORS)


def with_ladder(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a specification, with the ladder of a tuned key that has a single value."""
    values = dict(values)
    if "tune" in values:
        values["tune"] = key_of(values["tune"])
    if values.get("tune") != LADDERED:
        return values
    own = values.get(LADDERED, KEYS[LADDERED].default)
    if isinstance(own, (list, tuple)) and len(own) == 1:
        own = own[0]
    if (number := _number(own)) is not None:
        values[LADDERED] = list(ladder(number))
    return values


def with_own_ladders(networks: Mapping[str, Network], tuned: Any) -> dict[str, Network]:
    """The same networks; a network with a value of its own has the ladder around that value."""
    if tuned != LADDERED:
        return dict(networks)
    changed = dict(networks)
    for name, network in networks.items():
        if network.learning_rate is not None:
            steps = {**network.grid, LADDERED: ladder(network.learning_rate)}
            changed[name] = network.model_copy(update={LADDERED: None, "grid": steps})
    return changed


def _number(value: Any) -> float | None:
    """A positive number that a ladder can stand around; what is none is refused elsewhere."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
