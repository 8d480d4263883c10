"""The default name of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from jobs.atomic import json_digest
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.spec.model import NOT_ASKED, Spec, named_by


def run_name(spec: Spec, data_sets: Sequence[str]) -> str:
    """A readable prefix and a hash of specification and data.

    Submitting the same specification and data again therefore finds the same run.
    """
    stem = spec.data if spec.data in BUILT_IN_DATA else data_sets[0].rsplit("-", 2)[0]
    asked = {key: value for key, value in named_by(spec).items() if key not in NOT_ASKED} | {
        "data": data_sets[0] if len(data_sets) == 1 else list(data_sets)
    }
    what = "rank" if spec.rank else f"{spec.periods}x{spec.epochs_per_period}"
    return f"{PurePath(stem).name}-{what}-{json_digest(asked)[:6]}"
