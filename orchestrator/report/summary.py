"""The headline: best network, cost, cautions, and what is missing."""

from __future__ import annotations

from jobs.task import Task
from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.leader import Leader
from orchestrator.analysis.pairwise import PairwiseTest
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.standings import Standing
from orchestrator.analysis.statistics import seed_deviation_that_voids
from orchestrator.report.rendering import wording
from orchestrator.report.sections import memory

MAX_OPEN_SHOWN = 12
UNFINISHED = {
    "blocked": "cannot start, since what it needs failed",
    "open": "is still to come",
    "cancelled": "was cancelled with the run",
}


def sentence(run_data: RunData, analysis: Analysis) -> str:
    """The best backbone, its margin and its uncertainty; says "leads" only if significant."""
    lead = run_data.leader
    if lead is None:
        return "No network has been evaluated yet: there are learning curves, but no leader."
    first = lead.ranking[: lead.shared_by]
    names = wording.listed([wording.title(standing.backbone) for standing in first])
    right = _right(first[0], run_data.test_images)
    opening = f"{_after(run_data, lead)}, {names}"
    opening = opening[0].upper() + opening[1:]
    if len(lead.ranking) == 1:
        return f"{opening} has {right}; no other network has been evaluated."
    if lead.margin is None or lead.shared_by > 1:
        return f"{opening} share the lead with {right} each."
    second = wording.title(lead.ranking[lead.shared_by].backbone)
    paired_test = analysis.verdict.paired_test if analysis.verdict else None
    points = _points(100 * lead.margin)
    if paired_test is None:
        return (
            f"{opening} is ahead with {right}, {points} more than {second}; significance was "
            f"not tested."
        )
    if not paired_test.significant:
        return (
            f"{opening} has the highest accuracy, {right}, but its lead of {points} over {second} "
            f"is not statistically significant{_certainty(paired_test)}."
        )
    return f"{opening} leads with {right}, {points} ahead of {second}{_certainty(paired_test)}."


def cost(run_data: RunData, analysis: Analysis) -> str:
    """Cost of the leader, and the cheapest network not significantly worse; empty if none."""
    if run_data.leader is None or analysis.verdict is None:
        return ""
    costs = {cost.backbone: cost for cost in analysis.costs}
    leader = costs[run_data.leader.ranking[0].backbone]
    told = (
        f"{wording.title(leader.backbone)} took "
        f"{_time(leader.seconds.mean if leader.seconds else None)} to train"
    )
    if run_data.run.spec.seeds > 1:
        told += " per seed"
    if leader.parameters and leader.gmacs:
        told += f" and has {wording.size(leader.parameters)} parameters ({leader.gmacs:.2f} GMACs)"
    alike = [costs[name] for name in analysis.verdict.alike]
    quicker = [
        c for c in alike if c.seconds and leader.seconds and c.seconds.mean < leader.seconds.mean
    ]
    if not quicker:
        return f"{told}."
    best = min(quicker, key=lambda c: c.seconds.mean if c.seconds else 0.0)
    times = f"{_time(best.seconds.mean if best.seconds else None)}"
    return (
        f"{told}; {wording.title(best.backbone)}, which does not differ significantly from "
        f"it, took {times}."
    )


def cautions(run_data: RunData, analysis: Analysis) -> list[str]:
    """Cautions for reading the result."""
    told = []
    spec, lead, verdict = run_data.run.spec, run_data.leader, analysis.verdict
    if lead and verdict and verdict.alike:
        names = wording.listed([wording.title(name) for name in verdict.alike])
        told.append(
            f"No clear leader: {wording.title(lead.ranking[0].backbone)} does not differ "
            f"significantly from {names} on "
            f"{wording.count(analysis.paired_tests[0].images, 'test image')}."
        )
    if lead and verdict and verdict.untested and len(lead.ranking) > 1:
        names = wording.listed([wording.title(name) for name in verdict.untested])
        told.append(
            f"The predictions needed to compare {names} with the leader are not published yet."
        )
    if spec.seeds == 1:
        told.append(_one_seed(lead, verdict.paired_test if verdict else None))
    elif lead and min(len(standing.tests) for standing in lead.ranking) < spec.seeds:
        told.append(
            f"Not every network has been evaluated with all {spec.seeds} seeds yet; each row shows "
            f"how many."
        )
    devices = {str(result.get("device")) for result in run_data.training.values()}
    if len(devices) > 1:
        told.append(
            f"Training ran on different devices ({', '.join(sorted(devices))}), so training times "
            "of networks cannot be compared directly."
        )
    return [*told, *filter(None, [memory.caution(run_data)])]


def missing(run_data: RunData) -> list[str]:
    """Requested results that are missing, in plain lines."""
    counts = {
        state: list(run_data.states.values()).count(state)
        for state in ("open", "failed", "blocked", "cancelled")
    }
    if not sum(counts.values()):
        return []
    parts = [f"{number} {state}" for state, number in counts.items() if number]
    lines = [
        f"{wording.count(sum(counts.values()), 'task')} of {len(run_data.states)} not done: "
        f"{', '.join(parts)}. This report uses the results published so far."
    ]
    for task_id, why in run_data.failures.items():
        lines.append(
            f"{_told(run_data, task_id)} failed: {why.get('message') or 'no reason was recorded'}"
        )
    for state, word in UNFINISHED.items():
        tasks = [task for task, found in run_data.states.items() if found == state]
        lines += [f"{_told(run_data, task)} {word}." for task in tasks[:MAX_OPEN_SHOWN]]
        if len(tasks) > MAX_OPEN_SHOWN:
            lines.append(f"And {len(tasks) - MAX_OPEN_SHOWN} more {state}.")
    return lines


def _after(run_data: RunData, lead: Leader) -> str:
    periods = run_data.run.spec.periods
    if periods == 1:
        return f"after epoch {lead.epoch}"
    if lead.period == periods:
        return f"after the last period (epoch {lead.epoch})"
    asked = lead.period == run_data.periods[-1]
    return (
        f"{'' if asked else 'so far, '}after period {lead.period} of {periods} (epoch {lead.epoch})"
    )


def _right(standing: Standing, images: int) -> str:
    if len(standing.tests) == 1:
        test = standing.tests[0]
        return (
            f"{wording.percent(test.accuracy)} of {wording.count(test.total, 'test image')} "
            f"correct ({test.correct:,})"
        )
    assert standing.accuracy is not None
    return (
        f"{wording.points(standing.accuracy)} of {wording.count(images, 'test image')} correct "
        f"(mean ± deviation over {standing.accuracy.n} seeds)"
    )


def _points(points: float) -> str:
    digits = 1 if points >= 0.05 else 2
    return f"{points:.{digits}f} percentage point{'' if f'{points:.{digits}f}' == '1.0' else 's'}"


def _certainty(paired_test: PairwiseTest) -> str:
    return (
        f" (95% interval {wording.difference(paired_test.interval)}, corrected "
        f"{wording.p_equals(paired_test.p_holm)})"
    )


def _one_seed(lead: Leader | None, paired_test: PairwiseTest | None) -> str:
    """The limits of one seed, and the deviation over seeds that would make the lead uncertain."""
    told = (
        "One seed: the spread over seeds is unknown. Intervals and p-values cover only the choice "
        "of test images, not the randomness of training."
    )
    if lead is None or paired_test is None or lead.margin is None:
        return told
    limit = seed_deviation_that_voids(lead.margin, paired_test.interval)
    if limit is None or not paired_test.significant:
        return f"{told} Another seed could change the order; --seeds 3 measures it."
    return (
        f"{told} A deviation over seeds of {_points(100 * limit)} would make this lead uncertain; "
        "--seeds 3 measures it."
    )


def _time(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else wording.duration(seconds)


def _told(run_data: RunData, task_id: str) -> str:
    """A task in words: `ResNet34 (seed 0): test after epoch 10`."""
    task = Task.parse(task_id)
    if task.kind == "prepare":
        return "Preparing the data set"
    trial = run_data.trials[task.subject]
    what = "training up to" if task.kind == "train" else "evaluation after"
    return (
        f"{wording.title(trial.backbone)} (seed {trial.seed}): {what} epoch {task.epoch}"
        f"{f' on corrupted images ({task.corruption})' if task.corruption else ''}"
    )
