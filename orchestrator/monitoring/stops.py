"""Why decisions of a run stopped its trials, in a few words."""

from __future__ import annotations

from jobs.spec.setting import value_told
from jobs.store import decisions
from jobs.store.decisions import Choice, Contender, DecisionRecord, Look
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store


def reasons(store: Store, run: Run | RunOutline) -> dict[str, str]:
    """Why each stopped trial of a run stopped; none of those that were carried on since."""
    known = decisions.read(store, run)
    told = dict[str, str]()
    for made in known.made if known.stopped_now else ():
        told |= _of_choices(made) | _of_look(made)
    return told


def _of_choices(made: DecisionRecord) -> dict[str, str]:
    return {
        trial: _untaken(choice, rung.state, made.period)
        for choice in made.choices
        for rung in choice.rungs
        for trial in rung.trials
        if trial in made.stopped
    }


def _untaken(choice: Choice, state: str, period: int) -> str:
    why = "diverged; " if state == "diverged" else ""
    return f"{why}after period {period} {choice.key} {value_told(choice.chosen)} goes on"


def _of_look(made: DecisionRecord) -> dict[str, str]:
    if made.look is None:
        return {}
    stopping = [each for each in made.look.contenders if each.stops]
    return {t: _behind(each, made.look, made.period) for each in stopping for t in each.trials}


def _behind(contender: Contender, look: Look, period: int) -> str:
    points = f"{100 * contender.behind:.1f} points"
    return f"stopped after period {period}, {points} behind {look.leader} on validation images"
