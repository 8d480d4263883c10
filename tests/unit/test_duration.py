"""Durations as users write them, and the specification's time between two checkpoints."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import plan
from jobs.errors import BadSpec
from jobs.spec import duration
from jobs.spec.model import build


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30s", 30), ("5m", 300), ("1.5h", 5400), (" 2 d ", 172800)]
)
def test_lengths_of_time_are_read(text: str, seconds: float) -> None:
    """With and without a unit."""
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5m", "5 minutes", "m", "1e9", "5m5m", "9" * 400, "٣m", "nan", "inf"]
)
def test_other_words_are_refused(text: str) -> None:
    """With an example of a valid value, in one short line."""
    with pytest.raises(ValueError, match="such as 30s, 10m or 2h") as caught:
        duration.seconds(text)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("given", "kept", "seconds"),
    [
        ("5m", "5m", 300.0),
        (90, "90", 90.0),
        (0, "never", None),
        ("0", "never", None),
        ("never", "never", None),
    ],
)
def test_a_spec_says_how_often_a_checkpoint_is_made(
    given: Any, kept: str, seconds: float | None
) -> None:
    """YAML's numbers are seconds; null means never."""
    spec = build({"backbones": "all", "checkpoint_every": given})

    assert (spec.checkpoint_every, spec.checkpoint_every_s) == (kept, seconds)


@pytest.mark.parametrize("given", [True, None, [5], "often", -1, "-5m", float("nan")])
def test_a_spec_refuses_what_is_no_length_of_time(given: Any) -> None:
    """The message names the key."""
    with pytest.raises(BadSpec, match="checkpoint_every"):
        build({"backbones": "all", "checkpoint_every": given})


def test_how_often_a_checkpoint_is_made_changes_neither_run_nor_trials() -> None:
    """It does not change results, so another value is the same run."""
    specs = [build({"backbones": "all", "checkpoint_every": every}) for every in ("5m", "1h")]
    plans = [plan.unfold(spec, "digits-0-1") for spec in specs]

    assert plans[0] == plans[1]
