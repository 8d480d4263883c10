"""What a report says, without its figures: drawing takes most of a report's time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobs.store.runs import Run
from jobs.store.store import Store
from orchestrator.report import page, write


def told_report(
    store: Store, run: Run, periods: Sequence[int] = ()
) -> tuple[str, dict[str, Any], str]:
    """The Markdown of a run's report, the values of `report.json`, and its first sentence."""
    made = page.assemble(*write.analysed(store, run, periods))
    return page.markdown(made), json.loads(json.dumps(made.facts)), made.headline.sentence
