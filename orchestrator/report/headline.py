"""The first lines of a report: its first sentence, cost, and cautions."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.analysis.analysis import Analysis
from orchestrator.analysis.run_data import RunData
from orchestrator.report import decision_words, first_sentence
from orchestrator.report.cautions import cautions
from orchestrator.report.missing import missing


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer, its cost, what to hold against it, and what is missing.

    `decision` is the answer under constraints; empty without any.
    """

    sentence: str
    cost: str
    cautions: tuple[str, ...]
    missing: tuple[str, ...]
    decision: str = ""

    @property
    def answer(self) -> str:
        """The first sentence: the decision under constraints, else the comparison."""
        return self.decision or self.sentence


def compose(run_data: RunData, analysis: Analysis) -> Headline:
    """The first lines of a run's report."""
    cost = first_sentence.cost(run_data, analysis)
    return Headline(
        first_sentence.sentence(run_data, analysis),
        " ".join(filter(None, (cost, first_sentence.noninferior(run_data, analysis)))),
        tuple(cautions(run_data, analysis)),
        tuple(missing(run_data)),
        decision_words.answer(run_data, analysis),
    )
