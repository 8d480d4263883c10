"""Lists of values in a specification: trials, names, refusals, and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jobs import plan
from jobs.data import sources
from jobs.errors import BadSpec
from jobs.spec.grid import MAX_SETTINGS
from jobs.spec.model import Spec, build
from jobs.store.store import Store
from orchestrator.commands.submit import submit_command
from orchestrator.submission.run_creation import create_run

DATA = "digits-64px-00000000"
TWO: dict[str, Any] = {"backbones": ["scratch", "squeezenet"], "periods": 1}


def unfolded(**keys: Any) -> plan.Plan:
    """The plan of two networks with these keys."""
    return plan.unfold(build({**TWO, **keys}), DATA)


def names(**keys: Any) -> set[str]:
    """The names of the trials."""
    return {trial.name for trial in unfolded(**keys).trials}


def test_each_combination_is_a_trial_with_the_name_that_it_would_have_alone() -> None:
    """So a grid finds what single runs have trained, and they what a grid has."""
    rates, kinds = [0.001, 0.01], ["sgd", "adamw"]
    alone = [names(learning_rate=rate, optimiser=kind) for rate in rates for kind in kinds]

    together = names(learning_rate=rates, optimiser=kinds, seeds=2)

    assert len(together) == 2 * 2 * 2 * 2
    assert set().union(*alone) < together
    assert names(learning_rate=[0.001]) == names() < together


def test_a_list_of_one_value_is_the_value_and_leaves_no_trace() -> None:
    """In names and records, which earlier versions can then read."""
    one = build({**TWO, "learning_rate": [0.01], "ema": ["none"]})

    assert one == build({**TWO, "learning_rate": 0.01})
    assert "grid" not in one.model_dump()
    assert unfolded(learning_rate=[0.01]).run == unfolded(learning_rate=0.01).run


def test_any_key_of_the_recipe_takes_a_list_and_its_record_is_read_again() -> None:
    """Words, numbers, truth values, nothing, and mappings."""
    lists: dict[str, Any] = {
        "augment": ["none", "flip"],
        "early_stop": [None, 3],
        "class_weights": ["balanced", {"3": 2}],
        "deterministic": [True, False],
    }
    spec = build({**TWO, **lists})

    assert Spec(**spec.model_dump(mode="json")) == spec
    assert len(spec.settings_of("scratch")) == 16
    assert spec.settings_of("scratch")[0] == {
        "deterministic": True, "augment": "none", "early_stop": None, "class_weights": "balanced",
    }  # fmt: skip


def test_a_network_may_have_a_list_of_its_own_in_place_of_the_runs() -> None:
    """And a single value of its own, which then does not vary."""
    entries = [
        {"name": "scratch", "learning_rate": [0.1, 0.2, 0.3]},
        {"name": "squeezenet", "learning_rate": 0.5},
        "alexnet",
    ]
    spec = build({"backbones": entries, "learning_rate": [0.01, 0.02], "batch_size": [4, 8]})
    rates = {
        name: [one.recipe(name).learning_rate for each, _, one in spec.trained() if each == name]
        for name in spec.backbones
    }

    assert rates == {
        "scratch": [0.1, 0.2, 0.3] * 2,
        "squeezenet": [0.5] * 2,
        "alexnet": [0.01, 0.02] * 2,
    }
    assert Spec(**spec.model_dump(mode="json")) == spec
    trials = plan.unfold(spec, DATA).trials
    labels = {plan.label_of(spec, trial) for trial in trials}
    assert "squeezenet, batch_size 4" in labels
    assert len(labels) == len(trials) == 12


def test_each_network_may_be_trained_as_is_best_for_it() -> None:
    """Its trials are those of a run in which all networks are trained so."""
    own = {"optimiser": "adamw", "learning_rate": 0.001, "weight_decay": [0.0, 0.05]}
    mixed = build({"backbones": [{"name": "scratch", **own}, "squeezenet"], "data": "photos"})
    apart = build({"backbones": "scratch", "data": "photos", **own})
    names = {trial.name for trial in plan.unfold(mixed, DATA).trials}

    assert Spec(**mixed.model_dump(mode="json")) == mixed
    assert {trial.name for trial in plan.unfold(apart, DATA).trials} < names
    assert mixed.recipe("squeezenet").optimiser == "sgd"
    assert len(names) == 3


@pytest.mark.parametrize(
    ("run", "own", "message"),
    [
        ({}, {"optimizer": "adamm"}, "Did you mean|optimiser: one of"),
        ({}, {"optimizer": "adamw", "optimiser": "sgd"}, "are the same key"),
        ({}, {"optimiser": "adamw", "momentum": 0.8}, "scratch: momentum 0.8 has no effect"),
        ({"momentum": 0.8}, {"optimiser": "adamw"}, "or give this network the default"),
        ({}, {"weight_decay": -1}, "weight_decay: a number"),
        ({}, {"learning_rate": True}, "learning_rate: a number"),
        ({}, {"label_smoothing": [0.1, 0.1]}, "is in the list twice"),
        ({}, {"ema": 0.9}, "unknown key 'ema'"),
    ],
)
def test_what_a_network_cannot_have_for_itself_is_refused(
    run: dict[str, Any], own: dict[str, Any], message: str
) -> None:
    """In one line that names the network."""
    with pytest.raises(BadSpec, match=message) as error:
        build({"backbones": [{"name": "scratch", **own}], "data": "photos", **run})

    assert "scratch" in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_need_other_pixels_have_data_sets_of_their_own(
    animal_folder: Path, tmp_path: Path
) -> None:
    """Random crops need a margin; both data sets are recorded with the run."""
    spec = build({**TWO, "data": str(animal_folder), "augment": ["flip", "random-resized-crop"]})
    store = Store(tmp_path / "store").open(create=True)

    run = create_run(store, spec, sources.read(spec))

    margins = [store.described(data).settings.margin for data in run.data_sets]
    assert margins == [False, True]
    assert {store.load_trial(name).data for name in run.trials} == set(run.data_sets)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"learning_rate": [0.1, 1e-1]}, "learning_rate: 0.1 is in the list twice"),
        ({"learning_rate": []}, "learning_rate: the list is empty"),
        ({"learning_rate": [0.1, "fast"]}, r"learning_rate: a number above 0 .*given: 'fast'"),
        ({"learning_rate": [0.1, True]}, "learning_rate: a number is needed, not true or false"),
        ({"periods": [1, 2]}, "periods: a whole number from 1 to 10,000 is needed"),
        (
            {"optimiser": ["sgd", "adamw"], "momentum": 0.5},
            "optimiser adamw: momentum 0.5 has no effect with the optimiser 'adamw'",
        ),
        (
            {"finetune": ["full", "head"], "mixup": [0, 0.2], "weights": "imagenet"},
            "mixup 0.2, finetune head: mixup 0.2 cannot be used with finetune head",
        ),
        (
            {"schedule": "cosine", "horizon_epochs": [None, 10]},
            "same way with horizon_epochs none and with horizon_epochs 10",
        ),
        (
            {"batch_size": list(range(1, 16)), "learning_rate": [n / 100 for n in range(1, 16)]},
            rf"15 x 15 = 225 settings of a network exceed the maximum of {MAX_SETTINGS}",
        ),
        (
            {"backbones": [{"name": "scratch", "batch_size": [8, 8]}]},
            "scratch: batch_size: 8 is in",
        ),
        ({"backbones": [{"name": "scratch", "batch_size": [8, None]}]}, "is needed, not none"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_the_combination(
    keys: dict[str, Any], why: str
) -> None:
    """Before anything is written."""
    with pytest.raises(BadSpec, match=why):
        build({**TWO, "backbones": ["squeezenet"], **keys})


def options(*words: str) -> dict[str, Any]:
    """What `orch submit` gets of these words."""
    context = submit_command.make_context("submit", list(words))
    return {key: value for key, value in context.params.items() if value not in (None, (), False)}


def test_options_take_values_with_commas_or_repeated() -> None:
    """As click's users and those of other tools expect; a weight of a class is one value."""
    given = options(
        *("--learning-rate", "0.1,0.2", "--learning-rate", "0.3", "--optimizer", "sgd, adamw"),
        *("--ema", "none,0.9", "--class-weights", "cat=2,dog=3", "--class-weights", "balanced"),
    )

    assert given == {
        "learning_rate": (0.1, 0.2, 0.3),
        "optimiser": ("sgd", "adamw"),
        "ema": ("none", 0.9),
        "class_weights": ("cat=2,dog=3", "balanced"),
    }


def test_a_bad_value_in_a_list_is_named_and_help_has_an_example() -> None:
    """The value, not the whole list."""
    failed = CliRunner().invoke(submit_command, ["--learning-rate", "0.1,fast"])
    told = CliRunner().invoke(submit_command, ["--help"]).output

    assert failed.exit_code == 2
    assert "'fast' is not a valid float" in failed.output
    assert "--learning-rate 0.001,0.003 --optimiser sgd,adamw" in told
