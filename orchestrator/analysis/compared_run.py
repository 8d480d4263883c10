"""A run that is compared with others, and a network in it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.common_settings import CommonSetting
from orchestrator.analysis.predictions import TrialPredictions
from orchestrator.analysis.run_data import RunData
from orchestrator.analysis.spreads import Spread
from orchestrator.analysis.standings import Standing


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """One run with its run data and analysis."""

    run_data: RunData
    analysis: Analysis

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run_data.run.name

    @property
    def standings(self) -> list[Standing]:
        """The standing of each tested backbone after the compared period."""
        at = self.run_data.comparison.at(self.analysis.period)
        return [standing for standing in at if standing.tests]

    @property
    def lead(self) -> dict[str, Spread]:
        """The leading metric of each tested backbone after the compared period."""
        return {one.backbone: one.lead for one in self.standings if one.lead}

    @property
    def rivals(self) -> list[str]:
        """Tested backbones that learned something; all tested ones if none did."""
        return [name for name in self.run_data.rivals if name in self.lead]


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """A network with its setting in the runs that hold the same trial, at the epoch tested there.

    `given` are the predictions of its first seed, in the run data of `side`, which is the first of
    these runs. `tested_on` numbers the test images.
    """

    runs: tuple[str, ...]
    common: CommonSetting
    epoch: int
    tested_on: int
    side: ComparedRun
    given: TrialPredictions
