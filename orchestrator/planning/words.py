"""A forecast in lines for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from jobs.spec.setting import told
from orchestrator.analysis.power import POWER
from orchestrator.formatting import duration
from orchestrator.planning.estimate import Estimate
from orchestrator.planning.forecast import NEEDS_SCIPY, Forecast
from orchestrator.planning.tasks import PlannedTask

SHOWN = 5


def lines(forecast: Forecast) -> Iterator[str]:
    """What would be done, what it takes, and what it could show."""
    counts = ", ".join(f"{n} {state}" for state, n in forecast.states.items() if n)
    verb = "exists and would go on" if forecast.exists else "would be made"
    yield f"dry run, nothing is written: the run {forecast.run} {verb} in {forecast.store}"
    yield f"{len(forecast.tasks)} tasks: {counts}"
    for subject in dict.fromkeys(task.subject for task in forecast.tasks):
        setting = forecast.varied.get(subject)
        named = f"{subject} ({told(setting)})" if setting else subject
        yield from _subject(named, [t for t in forecast.tasks if t.subject == subject])
    yield from _of_estimate(forecast.estimate)
    yield from _of_power(forecast)


def _subject(subject: str, tasks: list[PlannedTask]) -> Iterator[str]:
    """A line for a data set or trial, and one for each task that is not done."""
    states = Counter(task.state for task in tasks)
    if len(states) == 1 and tasks[0].state != "resumes":
        yield f"  {subject}: {tasks[0].state} ({tasks[0].why})"
        return
    yield f"  {subject}: {', '.join(f'{n} {state}' for state, n in states.items())}"
    for task in tasks:
        if task.kind != "evaluate" or task.state == "failed":
            yield f"    {task.task}: {task.state} ({task.why})"


def _of_estimate(estimate: Estimate) -> Iterator[str]:
    missing = "; ".join(estimate.not_measured[:SHOWN])
    if len(estimate.not_measured) > SHOWN:
        missing += f"; and {len(estimate.not_measured) - SHOWN} more"
    least = "at least " if estimate.not_measured else ""
    if estimate.finish_s is None:
        yield "time: unknown"
    else:
        yield (
            f"time: {least}{duration(estimate.finish_s)} on {estimate.workers} worker(s), "
            f"{duration(estimate.work_s)} of work"
        )
    checkpoints = (
        "unknown" if estimate.checkpoint_bytes is None else _bytes(estimate.checkpoint_bytes)
    )
    data = "unknown" if estimate.data_bytes is None else _bytes(estimate.data_bytes)
    yield f"disk: prepared images {data}, checkpoints {checkpoints}"
    if missing:
        yield f"never measured in this store: {missing}"


def _of_power(forecast: Forecast) -> Iterator[str]:
    power, about = forecast.power, "" if forecast.images.exact else "about "
    tested = f"{about}{forecast.images.test:,} test images"
    if forecast.splits > 1:
        tested += f" in each of {forecast.splits} splits"
    if forecast.candidates < 2:
        yield f"{tested}; with one network there is nothing to compare"
        return
    if power is None:
        yield f"{tested}; what they can show {NEEDS_SCIPY}"
        return
    seeds = f"{power.seeds} seed{'' if power.seeds == 1 else 's'}"
    least = (
        "every difference stays"
        if power.visible is None
        else (f"differences under {_points(power.visible)} points stay")
    )
    yield f"{tested}, {power.pairs} pair(s), {seeds}: {least} invisible; {_more(forecast)}"
    asked = forecast.disagreement
    yield (
        f"  {POWER:.0%} power for accuracy after Holm's correction; two networks disagree about "
        f"{_points(asked.rate)}% of the images ({asked.rate_from}), two seeds of one about "
        f"{_points(asked.noise)}% ({asked.noise_from}); see docs/planning.md"
    )
    if power.splits > 1:
        yield (
            "  by the corrected resampled t-test; how much training on other images scatters "
            "beyond this cannot be told before training, so more may stay invisible"
        )


def _more(forecast: Forecast) -> str:
    """How many images, splits or seeds would show the next smaller difference."""
    power = forecast.power
    assert power is not None
    images, seeds, splits = (
        power.images_for_target,
        power.seeds_for_target,
        power.splits_for_target,
    )
    ways = [] if images is None else [f"{images:,} images{' a split' if power.splits > 1 else ''}"]
    ways += [] if splits is None else [f"{splits} splits"]
    ways += [] if seeds is None else [f"{seeds} seeds"]
    target = _points(power.target)
    return f"{' or '.join(ways)} would show {target}" if ways else f"nothing would show {target}"


def _points(share: float) -> str:
    return f"{100 * share:.2g}"


def _bytes(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
