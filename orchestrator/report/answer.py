"""The answer in one sentence, what to hold against it, and what is missing."""

from __future__ import annotations

from jobs.task import Task
from orchestrator import compare
from orchestrator.report import memory, wording
from orchestrator.report.evidence import Evidence

MOST_OPEN_SHOWN = 12


def sentence(evidence: Evidence) -> str:
    """Which backbone leads, after which epoch, by how much, on how many images."""
    lead = evidence.lead
    if lead is None:
        return "No network has been tested yet: there are learning curves, and no leader."
    first = lead.ranking[: lead.shared_by]
    names = wording.listed([wording.title(standing.backbone) for standing in first])
    right = _right(first[0], evidence.test_images)
    opening = f"{'' if lead.period == evidence.run.spec.periods else 'So far, '}{_after(evidence, lead)}, {names}"
    opening = opening[0].upper() + opening[1:]
    if len(lead.ranking) == 1:
        return f"{opening} has {right}; no other network has been tested."
    if lead.margin is None or lead.shared_by > 1:
        return f"{opening} share the lead with {right} each."
    second = lead.ranking[lead.shared_by]
    return f"{opening} leads with {right}, {_points(100 * lead.margin)} ahead of {wording.title(second.backbone)}."


def cautions(evidence: Evidence) -> list[str]:
    """What must be known to read the answer rightly."""
    told = []
    spec, lead = evidence.run.spec, evidence.lead
    if spec.seeds == 1:
        told.append("One seed: the spread over seeds is unknown.")
    elif lead and min(len(standing.tests) for standing in lead.ranking) < spec.seeds:
        told.append(f"Not every network has been tested with all {spec.seeds} seeds yet; each row says with how many.")
    if lead and lead.shared_by > 1:
        told.append("A shared lead is no ranking: this test cannot tell these networks apart.")
    elif lead and lead.doubtful:
        told.append(_doubt(lead, spec.seeds))
    devices = {str(outcome.get("device")) for outcome in evidence.training.values()}
    if len(devices) > 1:
        told.append(f"Training ran on different devices ({', '.join(sorted(devices))}): times cannot be compared "
                    "between networks as they stand.")
    return [*told, *filter(None, [memory.caution(evidence)])]


def missing(evidence: Evidence) -> list[str]:
    """What the run asked for and is not there, in plain lines; nothing when all is done."""
    counts = {state: list(evidence.states.values()).count(state) for state in ("open", "failed", "blocked")}
    if not sum(counts.values()):
        return []
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    lines = [f"{wording.count(sum(counts.values()), 'task')} of {len(evidence.states)} not done: {', '.join(parts)}. "
             "Everything below is made from what is there."]
    for task_id, why in evidence.failures.items():
        lines.append(f"{_told(evidence, task_id)} failed: {why.get('message') or 'no reason was kept'}")
    for state in ("blocked", "open"):
        tasks = [task for task, found in evidence.states.items() if found == state]
        word = "cannot start, since what it needs failed" if state == "blocked" else "is still to come"
        lines += [f"{_told(evidence, task)} {word}." for task in tasks[:MOST_OPEN_SHOWN]]
        if len(tasks) > MOST_OPEN_SHOWN:
            lines.append(f"And {len(tasks) - MOST_OPEN_SHOWN} more {state}.")
    return lines


def _after(evidence: Evidence, lead: compare.Lead) -> str:
    periods = evidence.run.spec.periods
    if periods == 1:
        return f"after epoch {lead.epoch}"
    which = "the last period" if lead.period == periods else f"period {lead.period} of {periods}"
    return f"after {which} (epoch {lead.epoch})"


def _right(standing: compare.Standing, images: int) -> str:
    if len(standing.tests) == 1:
        test = standing.tests[0]
        return f"{wording.percent(test.accuracy)} of {wording.count(test.total, 'test image')} right ({test.correct:,})"
    assert standing.accuracy is not None
    return f"{wording.points(standing.accuracy)} of {wording.count(images, 'test image')} right " \
           f"(mean ± deviation over {standing.accuracy.n} seeds)"


def _points(points: float) -> str:
    digits = 1 if points >= 0.05 else 2
    return f"{points:.{digits}f} percentage point{'' if f'{points:.{digits}f}' == '1.0' else 's'}"


def _doubt(lead: compare.Lead, seeds: int) -> str:
    first, second = lead.ranking[0], lead.ranking[1]
    names = f"{wording.title(first.backbone)} and {wording.title(second.backbone)}"
    if seeds > 1 and first.accuracy and first.accuracy.n > 1:
        return f"Caution: the means of {names} are closer than their spread over seeds; the order may be chance."
    ranges = [wording.interval(standing.tests[0].interval) for standing in (first, second)]
    return f"Caution: the Wilson 95% intervals of {names} overlap ({ranges[0]} and {ranges[1]}); " \
           f"on {wording.count(first.tests[0].total, 'image')} the order may be chance."


def _told(evidence: Evidence, task_id: str) -> str:
    """A task in words: `ResNet34 (seed 0): test after epoch 10`."""
    task = Task.parse(task_id)
    if task.kind == "prepare":
        return "Preparing the data set"
    trial = evidence.trials[task.subject]
    what = "training up to" if task.kind == "train" else "test after"
    return f"{wording.title(trial.backbone)} (seed {trial.seed}): {what} epoch {task.epoch}"
