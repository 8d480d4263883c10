"""Latencies of a GPU and of a processor on one host."""

from __future__ import annotations

from pathlib import Path

from support.priced import filled, measure

from jobs.benchmark import Runtime
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.run_data import read_run_data
from orchestrator.report.rendering.elements import Heading
from orchestrator.report.rendering.gallery import Gallery
from orchestrator.report.report_data import ReportData
from orchestrator.report.sections.benchmarks import section


def test_latencies_of_two_devices_are_not_ranked_against_each_other(tmp_path: Path) -> None:
    """Torch on a GPU of all but one, ONNX Runtime on the processor of all: the processor's count.

    The report has a table for each device.
    """
    store, run = filled(tmp_path)
    slowest = next(t for t in run.trials if store.load_trial(t).backbone == "vgg16")
    for trial in run.trials:
        torch: list[Runtime] = [] if trial == slowest else ["torch"]
        measure(store, trial, gpu="Some GPU", runtimes=[*torch, "onnx"])

    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    decision = analysis.decision
    told = section(ReportData(run_data, analysis, Gallery(run_data)))
    assert told is not None
    heads = [part.text for part in told.parts if isinstance(part, Heading)]

    assert decision is not None
    assert decision.machine is not None
    assert decision.machine.device == "cpu"
    assert {each.runtime for each in decision.candidates} == {"onnx"}
    assert ["Some GPU" in head for head in heads] == [False, True]


def test_where_a_gpu_measured_all_its_latencies_count(tmp_path: Path) -> None:
    """It is faster, and the machine is named with its device."""
    store, run = filled(tmp_path)
    for trial in run.trials:
        measure(store, trial, gpu="Some GPU")

    decision = analyse(read_run_data(store, run)).decision

    assert decision is not None
    assert decision.machine is not None
    assert decision.machine.device == "Some GPU"
    assert {each.runtime for each in decision.candidates} == {"torch"}
