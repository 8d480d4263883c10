"""Choose the value of a tuned key that each network goes on with, by validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.catalog.metrics import Metric
from jobs.racing import published
from jobs.racing.stopping_rule import rounded
from jobs.spec.model import Spec
from jobs.store.decisions import Choice, Rung
from jobs.store.ledger import Ledger
from jobs.store.store import Store


def choose(
    store: Store,
    ledger: Ledger,
    spec: Spec,
    networks: Mapping[str, Mapping[Any, Sequence[str]]],
    epoch: int,
) -> tuple[Choice, ...]:
    """A choice for each network from the trials of each of its values, the recipe's own first.

    The best mean of the leading metric over seeds; of equal ones the lower validation loss, then
    the first. Where nothing could be validated, the own value goes on.
    """
    trained = [
        trial
        for rungs in networks.values()
        for trials in rungs.values()
        for trial in trials
        if published.state_of(store, ledger, trial, epoch) == "done"
    ]
    metric = published.judging_metric(store, trained, epoch, spec.metric)
    return tuple(
        _choice(str(spec.tune), name, metric, _rungs(store, ledger, rungs, epoch, metric))
        for name, rungs in networks.items()
    )


def _rungs(
    store: Store,
    ledger: Ledger,
    values: Mapping[Any, Sequence[str]],
    epoch: int,
    metric: Metric,
) -> list[Rung]:
    """What was measured of each value."""
    rungs = []
    for value, trials in values.items():
        states = {published.state_of(store, ledger, trial, epoch) for trial in trials}
        done = states == {"done"}
        known = published.validation(store, trials, epoch, metric) if done else None
        gone = not done and any(published.diverged(store, trial, epoch) for trial in trials)
        mean, loss = (None, None) if known is None else map(rounded, known)
        state = "trained" if done else "diverged" if gone else "failed"
        rungs.append(
            Rung(value=value, trials=tuple(trials), state=state, validation=mean, loss=loss)
        )
    return rungs


def _choice(key: str, network: str, metric: Metric, rungs: Sequence[Rung]) -> Choice:
    ranked = [
        (-metric.sign * rung.validation, rung.loss, place)
        for place, rung in enumerate(rungs)
        if rung.validation is not None and rung.loss is not None
    ]
    best = rungs[min(ranked)[-1]] if ranked else rungs[0]
    return Choice(
        network=network,
        key=key,
        metric=metric.name,
        chosen=best.value,
        own=rungs[0].value,
        rungs=tuple(rungs),
    )
