"""The trials of a grid told apart: report, tables, status, results, and the choice of one."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from jobs.errors import OrchError, RequestError
from jobs.settings import Settings
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import api, cli
from orchestrator.analysis import trained_models
from orchestrator.analysis.analysis import analyse
from orchestrator.analysis.best_settings import compare_settings
from orchestrator.analysis.run_data import read_run_data
from orchestrator.export_results.history import histories
from orchestrator.monitoring.status import run_status
from orchestrator.report import data_tables, json_facts, page
from orchestrator.report.headline import compose
from orchestrator.report.page import Page
from orchestrator.report.rendering import wording
from orchestrator.terminal.follow import ChangeReporter
from orchestrator.verification import trial_to_replay

ENTRIES = ["resnet34", {"name": "squeezenet", "learning_rate": 0.002}]
RATES = {"learning_rate": [0.001, 0.003]}
RESNET = ("resnet34, learning_rate 0.001", "resnet34, learning_rate 0.003")


@dataclass(frozen=True)
class Scene:
    """A grid, two settings of one network and one of another, with two seeds; and its report."""

    store: Store
    run: Run
    page: Page
    tables: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """What report.json holds."""
        return self.page.facts


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The grid and its report, without drawing figures."""
    store, run = fill_store(
        tmp_path_factory.mktemp("grid") / "store",
        backbones=["resnet34", "squeezenet"],
        classes=("ape", "bear", "cat"),
        seeds=2,
        recipe={**RATES, "backbones": ENTRIES},
    )
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    tables = data_tables.records(run_data, analysis)
    return Scene(store, run, page.assemble(run_data, analysis), tables)


def test_each_setting_is_compared_for_itself_and_seeds_are_pooled_within_it(scene: Scene) -> None:
    """A network with one setting keeps its name; pairs are of settings."""
    facts = scene.facts
    last = [one for one in facts["standings"] if one["period"] == 3]
    pairs = {(one["first"], one["second"]) for one in facts["duels"]}

    assert [(one["backbone"], one["setting"], one["accuracy"]["n"]) for one in last] == [
        ("squeezenet", {}, 2),
        ("resnet34", {"learning_rate": 0.001}, 2),
        ("resnet34", {"learning_rate": 0.003}, 2),
    ]
    assert [one["title"] for one in last][::2] == ["SqueezeNet", "ResNet34, learning_rate 0.003"]
    assert pairs == {RESNET, ("squeezenet", RESNET[0]), ("squeezenet", RESNET[1])}
    assert {json.dumps(one["setting"]) for one in facts["trials"]} == {
        '{"learning_rate": 0.001}', '{"learning_rate": 0.003}', "{}",
    }  # fmt: skip


def test_every_table_and_figure_tells_settings_apart(scene: Scene) -> None:
    """Rows for programs have the network and the setting; no two rows of a key are alike."""
    for table in ("results", "epochs", "classes", "calibration", "cost", "stopping", "timeline"):
        rows = scene.tables[table].to_pylist()

        assert {(row["backbone"], row["setting"]) for row in rows} - {(None, None)} == {
            ("resnet34", "learning_rate 0.001"),
            ("resnet34", "learning_rate 0.003"),
            ("squeezenet", ""),
        }, table
    text = page.markdown(scene.page).replace("\\", "")
    assert "ResNet34, learning_rate 0.003" in text
    assert "3 settings of 2 networks" in text
    assert "learning_rate 0.001, 0.003" in text
    assert "SqueezeNet, learning_rate" not in text
    figures = {drawing.name for drawing in scene.page.drawings}
    assert {f"confusion-resnet34-learning-rate-0.00{n}-period-3" for n in (1, 3)} <= figures
    assert not any(" " in name or "," in name for name in figures)


def test_the_report_says_that_the_best_of_many_is_too_good_and_which_is_best_by_validation(
    scene: Scene,
) -> None:
    """The choice rests on the validation accuracy of the tested epochs, not on test images."""
    store, run = scene.store, scene.run
    results = compare_settings(read_run_data(store, run))
    best = [one.backbone for one in results if one.best]
    (caution,) = [each for each in scene.facts["answer"]["cautions"] if "best of" in each]

    assert [one.backbone for one in results] == list(RESNET)
    assert best == [max(results, key=lambda one: one.validation_accuracy or 0).backbone]
    assert "best of 3 settings of 2 networks is chosen on the test images" in caution
    assert "so that accuracy is too high" in caution
    assert f"By validation accuracy the best: ResNet34, {best[0].partition(', ')[2]}" in caution
    assert [one["best"] for one in scene.facts["settings"]] == [True, False]


def test_a_report_without_lists_has_no_word_of_settings(tmp_path: Path) -> None:
    """As it was before there were grids."""
    store, run = fill_store(
        tmp_path / "store", backbones=["resnet34", "squeezenet"], classes=("ape", "bear")
    )
    run_data = read_run_data(store, run)
    analysis = analyse(run_data)
    facts = json_facts.collect(run_data, analysis, compose(run_data, analysis))
    tables = data_tables.records(run_data, analysis)

    assert not {"settings", "grid"} & {*facts, *facts["keys"], *facts["spec"]}
    assert all("setting" not in one for one in [*facts["standings"], *facts["trials"]])
    assert not any("setting" in table.column_names for table in tables.values())


def test_status_and_watch_show_the_setting_of_each_trial(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words and as JSON."""
    store, run = scene.store, scene.run
    cli.run(["--store", str(store.root), "status", run.name])
    lines = capsys.readouterr().out.splitlines()
    cli.run(["--store", str(store.root), "status", run.name, "--json"])
    trials = json.loads(capsys.readouterr().out)["trials"]
    asked = Settings(store.root, None, None)
    followed = ChangeReporter(asked).changes(run_status(store, run))

    assert sum("learning_rate 0.003" in line for line in lines) == 2
    assert [each["setting"] for each in trials if each["backbone"] == "squeezenet"] == [{}, {}]
    assert sum("(learning_rate 0.001): epoch 6/6 evaluated" in line for line in followed) == 2


def test_results_and_exports_have_the_setting(scene: Scene) -> None:
    """A column of the API's tables, also for rows of before; a tag of each exported trial."""
    store, run = scene.store, scene.run
    rows = api.RunHandle(store, run).results("evaluations").to_pylist()
    tags = [history.tags.get("orch.setting") for history in histories(store, run)]

    assert {(row["backbone"], row["setting"]) for row in rows} == {
        ("resnet34", "learning_rate 0.001"),
        ("resnet34", "learning_rate 0.003"),
        ("squeezenet", ""),
    }
    assert (
        sorted(map(str, tags))
        == ["None"] * 2 + ["learning_rate 0.001"] * 2 + ["learning_rate 0.003"] * 2
    )


def test_figures_have_room_for_long_settings_and_names_of_files_for_any() -> None:
    """Values stand without their keys there; a title without a setting stays as it is."""
    long = "squeezenet, learning_rate 0.01, class_weights cat/dog=2"

    assert wording.in_figure(RESNET[0]) == "ResNet34, learning_rate 0.001"
    assert wording.in_figure(long) == "SqueezeNet: 0.01, cat/dog=2"
    assert wording.in_figure("timm:a_very_long_name_of_a_network.in1k") == wording.title(
        "timm:a_very_long_name_of_a_network.in1k"
    )
    assert wording.file_name(long) == "squeezenet-learning-rate-0.01-class-weights-cat-dog-2"
    assert wording.file_name("timm:resnet10t") == "timm:resnet10t"


def test_exported_settings_are_single_values(tmp_path: Path) -> None:
    """TensorBoard and MLflow take no lists."""
    store, run = fill_store(
        tmp_path, backbones=["resnet34"], classes=("a", "b"), recipe={"class_weights": {"a": 2}}
    )
    (history,) = histories(store, run)

    assert history.settings["class_weights"] == "a=2"
    assert all(isinstance(value, (str, int, float)) for value in history.settings.values())


def test_a_network_with_several_settings_has_to_be_chosen_among_them(scene: Scene) -> None:
    """The refusal lists the choices; a setting in words or as values chooses."""
    store, run = scene.store, scene.run

    def choose(backbone: str, **wanted: Any) -> Task:
        return trained_models.choose_model(store, run, backbone, 1, None, wanted)

    with pytest.raises(RequestError, match=r"several settings.*--setting learning_rate=0.001"):
        choose("resnet34")
    with pytest.raises(RequestError, match=r"no trial with learning_rate 0.1\. There are: "):
        choose("resnet34", learning_rate=0.1)
    chosen = choose("resnet34", learning_rate=0.003)
    assert store.load_trial(chosen.subject).recipe.learning_rate == 0.003
    assert store.load_trial(choose("squeezenet").subject).recipe.learning_rate == 0.002
    every = trained_models.choose_models(store, run, None)
    some = trained_models.choose_models(store, run, None, ["resnet34"], {"learning_rate": 0.003})
    assert (list(every.trials), list(some.trials)) == ([*RESNET, "squeezenet"], [RESNET[1]])


def test_a_replay_has_to_be_told_the_setting_too(scene: Scene) -> None:
    """Without a network, the cheapest trained trial is replayed, as before."""
    store, run = scene.store, scene.run
    replayed = trial_to_replay(store, run, None, "resnet34", {"learning_rate": 0.003})

    assert store.load_trial(replayed).recipe.learning_rate == 0.003
    assert trial_to_replay(store, run, None) in run.trials
    with pytest.raises(RequestError, match="several settings"):
        trial_to_replay(store, run, None, "resnet34")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--setting", "lr=0.1"], "unknown key 'lr'. Did you mean 'learning_rate'?"),
        (["--setting", "learning_rate"], "write KEY=VALUE"),
        (["--setting", "learning_rate=fast"], "a number above 0 is needed"),
        (["--setting", "learning_rate=7"], "has no trial with learning_rate 7. There are:"),
        (["--backbone", "vgg16"], "unknown backbone 'vgg16'"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(
    scene: Scene, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with exit code 2."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed (extra 'worker')")
    image = Path(__file__)
    code = cli.run(["--store", str(scene.store.root), "predict", str(image), *words])
    error = capsys.readouterr().err

    assert code == 2
    assert why in error
    assert len(error.splitlines()) == 1


def test_a_grid_with_open_trials_reports_those_that_are_done(tmp_path: Path) -> None:
    """A setting that was not validated yet is never the best."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34"],
        classes=("ape", "bear"),
        recipe=RATES,
        finished=lambda task: task.kind == "prepare" or task.subject == slow(tmp_path),
    )
    results = compare_settings(read_run_data(store, run))

    assert [(one.validation_accuracy is None, one.best) for one in results] == [
        (True, False),
        (False, True),
    ]


def slow(folder: Path) -> str:
    """The trial with the larger rate."""
    store = Store(folder / "store")
    names = [path.parent.name for path in store.root.glob("trials/*/trial.json")]
    return next(name for name in names if store.load_trial(name).recipe.learning_rate == 0.003)


def test_damage_to_a_trial_of_a_grid_does_not_hide_the_status(tmp_path: Path) -> None:
    """Its setting is then unknown."""
    store, run = fill_store(
        tmp_path / "store", backbones=["resnet34"], classes=("ape", "bear"), recipe=RATES
    )
    store.trial_path(run.trials[0]).write_text("{")
    found = run_status(store, store.outline(run.name))

    assert [trial.setting for trial in found.trials] == [{}, {"learning_rate": 0.003}]
    with pytest.raises(OrchError):
        read_run_data(store, run)
