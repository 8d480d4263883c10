"""Make the decisions of a run that are due: which trials stop after a period."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobs import plan
from jobs.racing import published, stopping_rule, tuned
from jobs.spec import decided
from jobs.spec.looks import looks as looks_of
from jobs.spec.setting import network_of
from jobs.store import decisions
from jobs.store.decisions import DecisionRecord, Decisions
from jobs.store.ledger import Ledger
from jobs.store.runs import Run
from jobs.store.store import Store

Networks = dict[str, dict[Any, list[str]]]
"""The trials of each network, by the value of the tuned key; one value where none is tuned."""


def decide(store: Store, run: Run, ledger: Ledger | None = None) -> bool:
    """Record every decision whose trainings have ended; returns whether one was due.

    Raises `DamagedFile` where published answers cannot be read, and `NewerRecord`.
    """
    due = False
    while run.decision_epochs and not store.is_cancelled(run.name):
        before = decisions.read(store, run)
        made = next_decision(store, run, before, ledger)
        if made is None:
            break
        decisions.record(store, run.name, made)
        due = True
    return due


def next_decision(
    store: Store, run: Run, before: Decisions, ledger: Ledger | None = None
) -> DecisionRecord | None:
    """The decision that follows those made; None if there is none, or its trainings go on."""
    epoch = before.pending
    if epoch is None:
        return None
    ledger = ledger or store.ledger()
    going = [trial for trial in run.trials if before.stop_of(trial) is None]
    if any(published.state_of(store, ledger, trial, epoch) == "open" for trial in going):
        return None
    networks, period = _networks(store, run, going), len(before.made) + 1
    if run.spec.tune is not None and period == 1:
        return _chosen(store, run, ledger, networks, epoch)
    return _raced(store, run, ledger, networks, period, epoch)


def again(store: Store, run: Run) -> list[tuple[DecisionRecord, DecisionRecord | None]]:
    """Each recorded decision, and what the published answers say now; None: not yet anything."""
    known = decisions.read(store, run)
    pairs = []
    for place, made in enumerate(known.made):
        stopped = {
            trial: epoch for one in known.made[:place] for trial, epoch in one.stopped.items()
        }
        before = replace(known, made=known.made[:place], stopped=stopped, carried_on=None)
        pairs.append((made, next_decision(store, run, before)))
    return pairs


def _networks(store: Store, run: Run, trials: Sequence[str]) -> Networks:
    networks: Networks = {}
    for name in trials:
        trial = store.load_trial(name)
        setting = plan.setting_of(run.spec, trial)
        label = decided.contender(run.spec, trial.backbone, setting)
        value = setting.get(run.spec.tune or "")
        networks.setdefault(label, {}).setdefault(value, []).append(name)
    return networks


def _chosen(
    store: Store, run: Run, ledger: Ledger, networks: Networks, epoch: int
) -> DecisionRecord:
    """Of each network one value goes on; a trial that diverged counts as stopped from the start."""
    ordered = {name: _own_first(run, name, networks[name]) for name in networks}
    choices = tuned.choose(store, ledger, run.spec, ordered, epoch)
    stopped = {
        trial: 0 if rung.state == "diverged" else epoch
        for choice in choices
        for rung in choice.rungs
        if rung.value != choice.chosen
        for trial in rung.trials
    }
    return DecisionRecord(
        period=1, epoch=epoch, stopped=stopped, left=len(networks), choices=choices
    )


def _own_first(run: Run, network: str, values: Mapping[Any, list[str]]) -> dict[Any, list[str]]:
    """The values in the order of the specification, where the recipe's own is the first."""
    order = run.spec.lists_of(network_of(network)).get(str(run.spec.tune), ())
    return {value: values[value] for value in order if value in values}


def _raced(
    store: Store, run: Run, ledger: Ledger, networks: Networks, period: int, epoch: int
) -> DecisionRecord:
    """Networks stop that are significantly behind, with all their seeds."""
    spec = run.spec
    trials = {name: [*itertools.chain(*values.values())] for name, values in networks.items()}
    answers = {
        name: rows
        for name, of_network in trials.items()
        if all(published.state_of(store, ledger, t, epoch) == "done" for t in of_network)
        and (rows := published.right(store, of_network, epoch)) is not None
    }
    looks = looks_of(spec.race, spec.tune, spec.periods)
    number = period - (spec.tune is not None)
    rivals = len(_networks(store, run, run.trials)) - 1
    right = _comparable(answers)
    errors = {name: published.errors(store, trials[name], epoch) for name in right}
    look = stopping_rule.look(right, trials, number, looks, rivals, errors, spec.epochs)
    stopped = {t: epoch for each in look.contenders if each.stops for t in each.trials}
    left = len(networks) - sum(each.stops for each in look.contenders)
    return DecisionRecord(period=period, epoch=epoch, stopped=stopped, left=left, look=look)


def _comparable(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The networks with as many images as the first; others were not asked the same."""
    images = next((rows.shape[1] for rows in answers.values()), 0)
    return {name: rows for name, rows in answers.items() if rows.shape[1] == images}
