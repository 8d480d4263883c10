"""Numbers and names as users read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import fill_store

from orchestrator.analysis import run_data
from orchestrator.analysis.run_data import RunData
from orchestrator.report.rendering import wording
from orchestrator.report.sections import learning_curves, tables


@pytest.mark.parametrize(
    ("correct", "told"),
    [
        (11937, "98.0% (11937/12183)"),
        (9678, "79.4% (9678/12183)"),
        (11571, "95.0% (11571/12183)"),
        (11663, "95.7% (11663/12183)"),
        (12183, "100.0% (12183/12183)"),
        (12182, "> 99.9% (12182/12183)"),
        (1, "< 0.1% (1/12183)"),
        (0, "0.0% (0/12183)"),
    ],
)
def test_accuracies_are_rounded_to_the_nearest_tenth(correct: int, told: str) -> None:
    """11571 of 12183 is 94.98%; only all of them is 100.0%."""
    assert wording.accuracy(correct, 12183) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (8412, "2h 20m 12s"),
        (3600, "1h 00m 00s"),
        (185.4, "3m 05s"),
        (12.34, "12.3s"),
        (0.0, "0.0s"),
        (59.94, "59.9s"),
        (59.96, "1m 00s"),
        (3599.7, "1h 00m 00s"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_durations_read_as_in_the_study(seconds: float | None, told: str) -> None:
    """Never 60 seconds or 60 minutes, whatever the rounding."""
    assert wording.duration(seconds) == told


@pytest.mark.parametrize(
    "name",
    ["a|b", "<img src=x onerror=alert(1)>", "*x*", "[a](b)", "`c`", "$x^2$", "a\nb", "~~s~~"],
)
def test_markdown_takes_any_name_as_text(name: str) -> None:
    """No raw markup character is left without its backslash."""
    told = wording.markdown(name)
    bare = told.replace("\\\\", "")
    for mark in "|*[]`$~_":
        bare = bare.replace(f"\\{mark}", "")

    assert not set(bare) & set("|*[]`$~<>\n")


def test_long_names_are_cut_in_the_middle_and_stay_apart() -> None:
    """Two breeds whose names differ only in the middle are numbered."""
    found = wording.short(["cat", "golden_retriever_adult_dog", "golden_rexxxxxver_adult_dog"], 12)

    assert found[0] == "cat"
    assert len(set(found)) == 3
    assert all("…" in name for name in found[1:])


def test_lists_read_as_sentences() -> None:
    """One, two and three names."""
    assert [wording.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "–"),
        (0, "0 MB"),
        (812_400_000, "812 MB"),
        (999_499_999, "999 MB"),
        (999_600_000, "1.0 GB"),
        (1_240_000_000, "1.2 GB"),
        (139_000_000_000, "139.0 GB"),
    ],
)
def test_memory_reads_in_powers_of_ten(found: int | None, said: str) -> None:
    """Never 1,000 MB, whatever the rounding."""
    assert wording.memory(found) == said


@pytest.mark.parametrize(
    ("kwh", "whole", "said"),
    [
        (None, True, "–"),
        (0.0, True, "0"),
        (0.04123, True, "0.0412"),
        (0.04123, False, "≥ 0.0412"),
        (1.0, True, "1.00"),
        (1234.5, True, "1,234"),
        (3e-12, True, "0.000000000"),
    ],
)
def test_energy_reads_with_three_digits_that_count(
    kwh: float | None, whole: bool, said: str
) -> None:
    """A partial measurement is shown as a lower bound."""
    assert wording.energy(kwh, whole) == said


@pytest.fixture
def read(tmp_path: Path) -> RunData:
    """Three networks after one period."""
    networks = ["scratch", "resnet34", "vgg16"]
    return run_data.read_run_data(
        *fill_store(tmp_path, backbones=networks, periods=1, pixels=False)
    )


def test_the_command_of_a_run_is_told_as_it_is_typed(read: RunData) -> None:
    """With quotes where they are needed, to be copied."""
    made = {"command": ["orch", "submit", "--data", "my photos"], "user": "ann"}
    table = tables.provenance(replace(read, run=replace(read.run, provenance=made)))

    assert ("command", "orch submit --data 'my photos'") in table.rows


def test_all_that_end_equally_well_are_named(read: RunData) -> None:
    """Of three networks two have every validation image right at the last epoch."""
    rows = [
        replace(row, val_accuracy=0.5 if row.backbone == "scratch" else 1.0)
        for row in read.comparison.epochs
    ]
    tied = replace(read, comparison=replace(read.comparison, epochs=tuple(rows)))
    figure = learning_curves.learning(tied, "val_accuracy", None)

    assert figure is not None
    assert figure.caption == "Highest at epoch 2: ResNet34 and VGG16, 100.0%."
