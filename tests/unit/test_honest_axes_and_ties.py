"""What a reader takes from a figure's axis, and from ranks that are equal."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
from matplotlib.figure import Figure

from orchestrator.analysis.ranks import Ranks
from orchestrator.report import multi_run
from orchestrator.report.sections.cost import log_scale, time_unit


def ranked(*means: tuple[str, float]) -> Ranks:
    """Ranks over twelve rankings with these means, the best first."""
    return Ranks(means, 12, 1.0, 0.6, 1.0, (), "nemenyi")


def test_networks_of_one_mean_rank_share_the_first_place() -> None:
    """None of them is announced as the winner."""
    tie = multi_run.best_rank(ranked(("lite0", 1.5), ("lite1", 1.5), ("squeezenet", 3.0)))
    won = multi_run.best_rank(ranked(("lite0", 1.2), ("lite1", 1.8)))

    assert tie.startswith("lite0 and lite1 share the best mean rank, 1.50")
    assert won.startswith("lite0 has the best mean rank, 1.20")
    assert "lite1 is too close to call" in won


@pytest.mark.parametrize(
    ("seconds", "unit"), [((4.1, 7.4), "seconds"), ((30.0, 500.0), "minutes"), ((), "seconds")]
)
def test_short_trainings_are_drawn_in_seconds(seconds: tuple[float, ...], unit: str) -> None:
    """And long ones in minutes."""
    assert time_unit(seconds)[0] == unit


@pytest.mark.parametrize("span", [(4.1, 7.4), (20.7, 29.0), (0.3, 900.0)])
def test_an_axis_has_several_numbers_within_its_data(span: tuple[float, float]) -> None:
    """Also where all values lie between two powers of ten."""
    axes = Figure().add_subplot()
    axes.plot(span, (0, 1), ".")
    log_scale(axes.xaxis)
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.get_xticks() if low <= tick <= high]

    assert len(shown) >= 3
