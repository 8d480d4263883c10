"""Several runs in one report: what is the same stands once, what differs is named."""

from __future__ import annotations

import pytest
from support import json_page

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")

from support.compared_runs import MODERN, PROBE, RATES, Scene, compare, rate

from orchestrator.analysis.run_data import RunData
from orchestrator.report import json_runs, multi_run


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A store for the runs of this module."""
    return Scene(tmp_path_factory.mktemp("runs") / "store")


@pytest.fixture(scope="module")
def grid(scene: Scene) -> RunData:
    """Two learning rates."""
    return scene.run("grid", RATES)


@pytest.fixture(scope="module")
def single(scene: Scene) -> RunData:
    """A trial that the grid holds too."""
    return scene.run("single", rate(0.003))


def test_a_trial_that_two_runs_hold_stands_once_and_the_columns_say_where(
    grid: RunData, single: RunData
) -> None:
    """In tables, the data table and report.json; it is no pair with itself."""
    both = compare(grid, single)
    rows = {row[0]: [cell != "–" for cell in row[1:]] for row in both.table("accuracy").rows}
    records = multi_run.records(both.analysis)["runs"].to_pylist()

    assert rows == {
        "SqueezeNet, learning_rate 0.001": [True, False],
        "SqueezeNet, learning_rate 0.003": [True, True],
    }
    assert [(one["runs"], one["setting"]) for one in both.facts["standings"]] == [
        (["grid"], {"learning_rate": 0.001}),
        (["grid", "single"], {"learning_rate": 0.003}),
    ]
    assert [(row["run"], row["runs"], row["backbone"], row["setting"]) for row in records] == [
        ("grid", "grid", "squeezenet", "learning_rate 0.001"),
        ("grid", "grid single", "squeezenet", "learning_rate 0.003"),
    ]
    assert both.facts["across"] == []
    assert (
        "count once: SqueezeNet, learning_rate 0.003 (grid and single)."
        in both.page.sections[0].lead
    )


def test_single_runs_with_different_rates_have_rows_of_their_own(
    scene: Scene, single: RunData
) -> None:
    """They are compared with one another, and JSON has the rates as numbers."""
    both = compare(single, scene.run("fast", rate(0.01)))
    ((network, first, second, *_),) = both.table("across").rows

    assert [row[0] for row in both.table("times").rows] == [
        "SqueezeNet, learning_rate 0.003",
        "SqueezeNet, learning_rate 0.01",
    ]
    assert (network, first, second) == (
        "SqueezeNet",
        "single: learning_rate 0.003",
        "fast: learning_rate 0.01",
    )
    assert both.pairs() == [("single", rate(0.003), "fast", rate(0.01))]
    assert both.facts["differences"] == [
        {"spec.learning_rate": 0.003},
        {"spec.learning_rate": 0.01},
    ]
    assert "data differ" not in both.cautions


def test_three_runs_test_each_pair_of_trainings_once(
    scene: Scene, grid: RunData, single: RunData
) -> None:
    """A trial of two runs meets that of the third once; Holm's correction counts two tests."""
    three = compare(single, grid, scene.run("fast", rate(0.01)))

    assert three.pairs() == [
        ("single", rate(0.003), "fast", rate(0.01)),
        ("grid", rate(0.001), "fast", rate(0.01)),
    ]
    assert three.facts["across"][0]["first_runs"] == ["single", "grid"]
    assert [cell for row in three.table("across").rows for cell in row[1:3]] == [
        "single and grid: learning_rate 0.003",
        "fast: learning_rate 0.01",
        "grid: learning_rate 0.001",
        "fast: learning_rate 0.01",
    ]
    assert all(one["p_holm"] >= one["p"] for one in three.facts["across"])


def test_of_two_grids_like_is_compared_with_like(scene: Scene, grid: RunData) -> None:
    """Grids that differ in the epochs, or in the momentum: two tests, not four."""
    longer = compare(grid, scene.run("longer", RATES, epochs_per_period=3))
    slower = compare(grid, scene.run("slower", {**RATES, "momentum": 0.5}))

    assert longer.pairs() == [("grid", rate(r), "longer", rate(r)) for r in (0.001, 0.003)]
    assert {(one["first_epoch"], one["second_epoch"]) for one in longer.facts["across"]} == {(2, 3)}
    assert slower.pairs() == [
        ("grid", {**rate(r), "momentum": 0.9}, "slower", {**rate(r), "momentum": 0.5})
        for r in (0.001, 0.003)
    ]


def test_what_a_run_sets_beside_its_preset_stands_beside_it(scene: Scene) -> None:
    """And of one preset only the rest is told."""
    modern = scene.run("modern", MODERN)
    faster = scene.run("faster", {**MODERN, "learning_rate": 0.01})
    probe = scene.run("probe", PROBE)

    assert list(compare(modern, faster).analysis.labels) == [
        "squeezenet, learning_rate 0.0001",
        "squeezenet, learning_rate 0.01",
    ]
    assert list(compare(probe, faster).analysis.labels) == [
        "squeezenet, preset probe, learning_rate 0.001",
        "squeezenet, preset modern, learning_rate 0.01",
    ]


def test_rankings_of_the_same_trainings_count_once(scene: Scene) -> None:
    """A run of three seeds holds those of the run of two."""
    trio = {"backbones": ["squeezenet", "resnet34", "alexnet"], "periods": 1}
    two, three = (scene.run(f"seeds-{n}", None, seeds=n, **trio) for n in (2, 3))
    once, alone = compare(two, three), compare(three)

    assert once.analysis.ranks == alone.analysis.ranks
    assert once.facts["ranks"]["blocks"] == 3


def test_differences_are_values_of_their_types_without_empty_rows(scene: Scene) -> None:
    """Of networks that only one run has, nothing but the name; a list where a grid has several."""
    named = ["squeezenet", {"name": "resnet34", "momentum": 0.5}]
    one = scene.run("one", {**RATES, "backbones": named}, backbones=["squeezenet", "resnet34"])
    other = scene.run("another", {**MODERN, "corruptions": ["blur"]})
    first, second = compare(one, other).facts["differences"]
    rows = compare(one, other).table("differences").rows

    assert first.keys() == second.keys() == {row[0] for row in rows}
    assert all(first[key] != second[key] for key in first)
    assert all(set(row[1:]) != {"–"} for row in rows)
    assert not any(key.startswith("spec.networks") for key in first)
    assert (first["spec.learning_rate"], second["spec.learning_rate"]) == ([0.001, 0.003], 0.0001)
    assert (first["spec.head_learning_rate"], second["spec.head_learning_rate"]) == (None, 0.003)
    assert (first["spec.corruptions"], second["spec.corruptions"]) == ([], ["blur"])
    assert (first["data.margin"], second["spec.freeze_batch_norm"]) == (False, True)


def test_a_run_that_is_not_finished_is_compared_by_what_it_has(
    scene: Scene, single: RunData
) -> None:
    """And the report says that it is not complete."""
    half = scene.run(
        "half",
        rate(0.02),
        periods=2,
        finished=lambda task: task.kind == "prepare" or task.epoch < 3,
    )
    both = compare(single, half)

    assert [one["epoch"] for one in both.facts["runs"]] == [2, 2]
    assert both.pairs() == [("single", rate(0.003), "half", rate(0.02))]
    assert "half is not complete: 2 tasks not done." in both.cautions


def test_report_json_of_several_runs_has_the_keys_that_are_documented(scene: Scene) -> None:
    """Neither more nor fewer; the file describes each of its keys itself."""
    trio = {"backbones": ["squeezenet", "resnet34", "alexnet"], "seeds": 2}
    runs = [scene.run("a", None, **trio), scene.run("b", None, image_size=96, **trio)]
    runs.append(scene.run("c", {"split_seed": 1}, **trio))
    facts = compare(*runs).facts
    patterns = json_page.documented(json_page.PAGE.read_text())["orch report RUN RUN"]

    assert list(facts) == list(facts["keys"]) == list(json_runs.KEYS_OF_RUNS)
    json_page.assert_documented("orch report RUN RUN", facts)
    assert json_page.unseen([facts], patterns) == set()
