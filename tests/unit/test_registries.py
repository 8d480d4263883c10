"""One new entry in each registry is found everywhere, with nothing else done by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from support import new_entries
from support.new_entries import BACKBONE, CORRUPTION, DATA, OPTIMISER, SCHEDULE

from jobs import plan
from jobs.catalog.backbones import CATALOG
from jobs.catalog.optimisers import OPTIMISERS
from jobs.data import sources
from jobs.errors import BadSpec
from jobs.spec import model, reference_page
from jobs.store.store import Store
from jobs.task import Task, Trial
from orchestrator import cli

NAMES = [entry.name for entry in (BACKBONE, CORRUPTION, OPTIMISER, SCHEDULE, DATA)]
ALL_NEW = {
    "data": DATA.name,
    "backbones": [BACKBONE.name],
    "corruptions": [CORRUPTION.name],
    "optimiser": OPTIMISER.name,
    "schedule": SCHEDULE.name,
}


@pytest.fixture(autouse=True)
def one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry more in each registry; commands are imported anew."""
    new_entries.add(monkeypatch)
    for name in [name for name in sys.modules if name.startswith("orchestrator.commands.")]:
        monkeypatch.delitem(sys.modules, name)


def completed(words: list[str], begun: str) -> list[str]:
    """What a shell offers after these words."""
    found = ShellComplete(cli.cli, {}, "orch", "_ORCH_COMPLETE").get_completions(words, begun)
    return [item.value for item in found]


def test_the_help_of_submit_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    """The backbones have a command of their own; options with a choice appear."""
    assert cli.run(["submit", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())

    assert "noise, rotation, jpeg, brightness, contrast, occlusion, inversion." in shown
    assert "--optimiser, --optimizer NAME" in shown
    assert f"{', '.join(OPTIMISERS)}. [default: sgd]" in shown
    assert "plateau, cosine, constant, exponential. [default: plateau]" in shown
    assert "--data FOLDER|TABLE|digits|digits-800|stripes" in shown
    assert "[default: 224; 64 for digits; 64 for digits-800; 32 for stripes]" in shown
    assert f"learning rate of {' or '.join(e.title for e in OPTIMISERS.values())}" in shown


@pytest.mark.parametrize("name", [CORRUPTION.name, OPTIMISER.name, SCHEDULE.name, DATA.name])
def test_the_documentation_of_keys_names_them(name: str) -> None:
    """`make catalog` writes what is compared here."""
    assert any(f"`{name}`" in line for line in reference_page.table())


def test_a_specification_takes_them_with_their_defaults() -> None:
    """A built-in data set brings image size and weights; the rest is found by name."""
    spec = model.build(ALL_NEW)

    assert (spec.image_size, spec.weights) == (DATA.image_size, "none")
    assert spec.backbones == (BACKBONE.name,)
    assert spec.recipe().optimiser == OPTIMISER.name
    assert spec.corruption_levels[-1] == "inversion-5"
    assert Task.parse("evaluate.resnet18-s0-1f3a9c2e.0010.inversion-3").corruption == "inversion-3"


@pytest.mark.parametrize("key", ["backbones", "corruptions", "optimiser", "schedule"])
def test_a_misspelt_name_is_answered_with_the_closest_entry(key: str) -> None:
    """And with all there are."""
    value = ALL_NEW[key] if isinstance(ALL_NEW[key], str) else ALL_NEW[key][0]

    with pytest.raises(BadSpec, match=rf"Did you mean '{value}'.*Known.*{value}"):
        model.build(ALL_NEW | {key: f"{value}x"})


@pytest.mark.parametrize(
    ("key", "value"), [("momentum", 0.5), ("plateau_patience", 7), ("plateau_factor", 0.5)]
)
def test_a_setting_that_would_do_nothing_is_refused(key: str, value: float) -> None:
    """Momentum belongs to SGD, patience and factor to the plateau."""
    with pytest.raises(BadSpec, match=rf"{key} {value} has no effect with the .*leave it out"):
        model.build(ALL_NEW | {key: value})


def test_names_of_trials_tell_optimisers_apart_and_leave_out_the_default() -> None:
    """A trial of before these keys keeps its name."""
    plain, other = (
        Trial("d-64px-00000000", "vgg16", "none", model.Recipe(**recipe), 0)
        for recipe in ({}, {"optimiser": OPTIMISER.name})
    )

    assert "optimiser" not in plain.as_dict()["recipe"]
    assert plain.name != other.name
    assert Trial.from_dict(other.as_dict()) == other


def test_models_lists_the_backbone_with_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has counted it yet, so a short-lived process does."""
    pytest.importorskip("torchvision")

    assert cli.run(["models", "--classes", "1000", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}

    assert rows[BACKBONE.name]["parameters"] == 11_689_512  # torchvision's own figure
    assert rows[BACKBONE.name]["weights_file"] == "resnet18.pth"
    assert round(BACKBONE.gmacs(1000) or 0, 2) == 1.81


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["submit", "--backbone"], "resnet", ["resnet34", "resnet18"]),
        (["submit", "--backbone"], "vgg16,resnet1", ["vgg16,resnet18"]),
        (["submit", "--corruptions"], "inv", ["inversion"]),
        (["submit", "--corruptions"], "a", ["all"]),
        (["submit", "--corruptions"], "blur,a", []),
        (["submit", "--optimiser"], "", [*OPTIMISERS, "radam"]),
        (["submit", "--schedule"], "e", ["exponential"]),
        (["submit", "--data"], "str", ["stripes", "str"]),
        (["data", "prepare"], "str", ["stripes", "str"]),
        (["models"], "resnet1", ["resnet18"]),
        (["submit", "--weights"], "i", ["imagenet"]),
    ],
    ids=str,
)
def test_a_shell_completes_them(words: list[str], begun: str, offered: list[str]) -> None:
    """Where a folder may be given, the shell is asked for folders too."""
    assert completed(words, begun) == offered


def test_a_report_has_a_colour_a_marker_and_a_title_for_the_backbone() -> None:
    """No two backbones of the catalog look the same."""
    from orchestrator.report.rendering import theme, wording

    looks = [(theme.colour(name), theme.marker(name)) for name in CATALOG]

    assert len(set(looks)) == len(CATALOG)
    assert theme.colour(BACKBONE.name) == theme.SERIES[7]
    assert wording.title(BACKBONE.name) == "ResNet18"


def test_more_backbones_than_colours_differ_by_their_marker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up to 64 of them."""
    from orchestrator.report.rendering import theme

    for number in range(56):
        monkeypatch.setitem(CATALOG, f"net{number}", BACKBONE._replace(name=f"net{number}"))
    looks = {(theme.colour(name), theme.marker(name)) for name in CATALOG}

    assert len(looks) == len(CATALOG) == 64


def test_the_queue_orders_the_backbone_by_its_cost() -> None:
    """Between SqueezeNet and VGG16."""
    names = ("vgg16", "resnet18", "squeezenet")
    tasks = [Task("train", f"{name}-s0-1f3a9c2e", 1) for name in names]
    order = [plan.priority(task, plan.cost_of(Store(Path("none")), task)) for task in tasks]

    assert order[0] < order[1] < order[2]


def test_a_report_describes_optimiser_and_schedule() -> None:
    """As their entries say."""
    recipe = model.build(ALL_NEW).recipe()

    assert OPTIMISER.describe(recipe) == "RAdam, learning rate 0.001, weight decay 0.05"
    assert SCHEDULE.describe(recipe) == "multiplied by 0.9 after each epoch"


def test_a_trial_is_prepared_trained_and_evaluated_by_them(tmp_path: Path) -> None:
    """The whole way of a task, from the data set to an evaluation on corrupted images."""
    pytest.importorskip("torch")
    from support.learning import Laboratory

    from jobs.store.store import Store
    from models.checkpoints import files

    spec = model.build(ALL_NEW)
    source = sources.read(spec)
    data = source.data_id(spec.data_settings())
    store = Store(tmp_path / "store").open(create=True)
    store.save_data(data, source, spec.data_settings())
    lab = Laboratory(store, data)
    prepared = lab.prepare()
    chosen = {"optimiser": OPTIMISER.name, "schedule": SCHEDULE.name, "batch_size": 8}
    trial = lab.trial(BACKBONE.name, [2], **chosen)
    result = lab.train(trial, 2)
    harder = lab.do(Task("evaluate", trial, 2, "inversion-3"))
    kept: Any = files.read(store.root / result["checkpoint"], trial)

    assert data.startswith("stripes-32px-")
    assert prepared["images"] == DATA.images
    assert list(prepared["classes"]) == list(DATA.classes)
    assert set(kept.optimizer["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert kept.optimizer["param_groups"][0]["weight_decay"] == 0.05
    assert [row["learning_rate"] for row in kept.rows] == pytest.approx([0.001, 0.0009])
    assert harder["total"] == prepared["images"] // 5
