"""What to say where no network is shown to be better than guessing: no recommendation."""

from __future__ import annotations

from orchestrator.analysis.chance import accuracy_interval
from orchestrator.analysis.leader import Leader
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording

REMEDY = "Train longer, try another learning rate, or use more images."


def sentence(run_data: RunData, lead: Leader, after: str) -> str:
    """The highest accuracy beside chance, and what to do."""
    tested = [each for each in run_data.comparison.at(lead.period) if each.accuracy]
    best = max(tested, key=lambda each: each.accuracy.mean if each.accuracy else 0.0)
    assert best.accuracy is not None
    interval = accuracy_interval(best)
    reach = f"; 95% interval {wording.interval(interval)}" if interval else ""
    chance = wording.percent(run_data.learning.baselines.chance)
    who = "no network" if len(tested) > 1 else wording.title(best.backbone)
    is_not = "is" if len(tested) > 1 else "is not"
    return (
        f"{after[0].upper()}{after[1:]}, {who} {is_not} shown to be better than guessing: the "
        "highest accuracy is "
        f"{wording.percent(best.accuracy.mean)} ({wording.title(best.backbone)}{reach}) on "
        f"{wording.count(run_data.test_images, 'test image')}, and chance is {chance}. {REMEDY}"
    )
