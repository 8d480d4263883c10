"""Presets set keys of a recipe, and other keys override them."""

from __future__ import annotations

import json

import pytest

from jobs.catalog.presets import PRESETS
from jobs.errors import BadSpec
from jobs.spec import model
from jobs.spec.model import Spec
from jobs.task import Trial
from orchestrator import cli


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_keys_written_out(name: str) -> None:
    """The trials have the same names, and a recorded specification stays as it is."""
    data = {"backbones": "squeezenet", "data": "photographs"}
    spec = model.build(data | {"preset": name})
    plain = model.build(data | dict(PRESETS[name].settings))
    names = {Trial("d", "squeezenet", "imagenet", each.recipe(), 0).name for each in (spec, plain)}

    assert len(names) == 1
    assert spec.model_copy(update={"preset": "study"}) == plain
    assert Spec(**spec.model_dump(mode="json")) == spec


def test_other_keys_override_a_preset_even_with_their_defaults() -> None:
    """What is given counts."""
    spec = model.build({"backbone": "scratch", "preset": "modern", "augment": "none"})

    assert (spec.optimiser, spec.augment, spec.warmup_epochs) == ("adamw", "none", 1)
    assert Spec(**spec.model_dump(mode="json")).augment == "none"


def test_a_preset_that_is_not_there_is_answered_with_the_closest() -> None:
    """And with all there are."""
    with pytest.raises(BadSpec, match="Did you mean 'modern'"):
        model.build({"backbone": "scratch", "preset": "moderm"})


def test_presets_are_listed_with_what_they_set(capsys: pytest.CaptureFixture[str]) -> None:
    """For people and for programs."""
    assert cli.run(["presets", "--json"]) == 0
    found = {
        each["name"]: each["settings"] for each in json.loads(capsys.readouterr().out)["presets"]
    }
    assert found == {name: dict(entry.settings) for name, entry in PRESETS.items()}

    assert cli.run(["presets"]) == 0
    assert "  optimiser: adamw\n" in capsys.readouterr().out


def test_batch_norms_of_random_weights_are_trained_whatever_the_preset() -> None:
    """Those of pretrained networks stay; so does the choice in names of trials."""
    spec = model.build({"backbones": "squeezenet,scratch", "data": "photos", "preset": "modern"})

    assert spec.recipe("squeezenet").freeze_batch_norm
    assert not spec.recipe("scratch").freeze_batch_norm


def test_a_preset_may_be_used_where_all_weights_are_random() -> None:
    """Keeping batch norms is refused there only where it is asked for."""
    digits = {"backbones": "scratch,squeezenet", "data": "digits"}

    assert not model.build(digits | {"preset": "modern"}).recipe("squeezenet").freeze_batch_norm
    with pytest.raises(BadSpec, match="give weights imagenet, or give freeze_batch_norm false"):
        model.build(digits | {"freeze_batch_norm": True})
