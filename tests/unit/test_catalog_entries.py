"""Every entry of a registry is whole: what it names exists, and what is generated is current."""

from __future__ import annotations

import importlib.util
import logging
from pkgutil import resolve_name

import pytest
from support.new_entries import BACKBONE

from jobs.catalog import backbone_counts, corruptions, counting_process
from jobs.catalog.backbones import CATALOG, Backbone
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from jobs.catalog.optimisers import OPTIMISERS
from jobs.catalog.schedules import SCHEDULES
from jobs.data.data_source import built_in
from jobs.errors import UnknownBackbone
from jobs.spec.grid_settings import GridSettings
from jobs.spec.keys import KEYS, RECIPE_KEYS, Weights
from jobs.spec.model import HIDDEN, LATER, Spec
from jobs.spec.network_settings import NetworkSettings
from jobs.spec.recipe import DataSettings, Recipe, SplitSettings
from orchestrator import cli

FIRST_KEYS = {
    *("data", "backbones", "periods", "epochs_per_period", "seeds", "weights", "name"),
    *("image_size", "batch_size", "learning_rate", "momentum", "plateau_patience"),
    *("plateau_factor", "precision", "checkpoint_every", "split", "split_seed", "skip_broken"),
}
"""Keys that have been part of names from the beginning."""


def test_every_key_has_one_entry_and_one_owner() -> None:
    """The classes that own keys declare each once; what came later stays out of names."""
    owners = (Recipe, SplitSettings, NetworkSettings, GridSettings, Spec)
    owned = [key for owner in owners for key in owner.__annotations__ if key in Spec.model_fields]

    assert sorted(owned) == sorted([*KEYS, "networks", "grid", "rank"])
    assert set(Spec.model_fields) == {*KEYS, "networks", "grid", "rank"}
    assert set(Recipe.model_fields) == set(RECIPE_KEYS)
    unnamed = {name for name, key in KEYS.items() if not key.later}
    assert unnamed - FIRST_KEYS == {"classes_at_top", "images", "group_by", "group_by_name"}
    assert KEYS.keys() - unnamed == LATER - HIDDEN
    assert set(DataSettings.model_fields) - set(KEYS) == HIDDEN - {"networks", "grid", "rank"}


def test_a_specification_is_written_in_the_order_of_its_keys() -> None:
    """Whichever class owns them."""
    spec = Spec(backbones=("scratch",))

    assert list(spec.model_dump()) == [*KEYS, "networks"]
    assert "image_size" not in spec.model_dump(exclude={"image_size"})


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_has_a_function_and_a_strength_for_each_severity(name: str) -> None:
    """Its name can be part of a task id."""
    entry = CORRUPTIONS[name]

    assert len(entry.strengths) == len(SEVERITIES)
    assert corruptions.parse_level(f"{name}-3") == (name, 3)
    assert name.isascii()
    assert name.isalpha()
    if importlib.util.find_spec("torchvision"):
        assert callable(resolve_name(entry.apply))


@pytest.mark.parametrize("name", BUILT_IN_DATA)
def test_a_built_in_data_set_is_what_its_entry_says(name: str) -> None:
    """Number of images, classes, and defaults that a specification takes."""
    pytest.importorskip("sklearn")
    entry = BUILT_IN_DATA[name]
    found = list(resolve_name(entry.load)())

    assert built_in(name).classes == entry.classes
    assert len(found) == entry.images
    assert {label for _, label, _, _ in found} == set(entry.classes)
    assert found[0][3].shape[2] == 3
    assert entry.weights in Weights.__args__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "entry", [*OPTIMISERS.values(), *SCHEDULES.values()], ids=lambda entry: entry.name
)
def test_settings_are_keys_of_the_recipe(entry: object) -> None:
    """And what makes it exists."""
    pytest.importorskip("torch")

    assert set(entry.settings.values()) <= Recipe.model_fields.keys()  # type: ignore[attr-defined]
    assert callable(resolve_name(entry.make))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CATALOG)
def test_the_generated_counts_are_those_of_the_network(name: str) -> None:
    """Counted again here; `make catalog` writes them."""
    pytest.importorskip("torchvision")
    from models.networks.counting import count

    assert backbone_counts.COUNTS[name] == count(CATALOG[name]), "run 'make catalog'"


def test_nothing_is_counted_that_is_not_in_the_catalog() -> None:
    """In the order of the catalog."""
    assert list(backbone_counts.COUNTS) == list(CATALOG)


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("size", [64, 129, 299, 1000])
def test_multiply_adds_at_another_size_are_those_of_the_network(name: str, size: int) -> None:
    """The rule of sides holds where nothing was followed."""
    pytest.importorskip("torchvision")
    from models.networks.build import skeleton
    from models.networks.counting import run_layers

    layers = run_layers(skeleton(name, 20), size, 20)

    assert CATALOG[name].gmacs_at(20, size) == sum(a.positions * a.macs for a in layers) / 1e9


def test_counts_of_another_network_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that changed since `make catalog` is counted anew, or unknown without torch."""
    monkeypatch.setattr(counting_process, "find_spec", lambda name: None)
    changed = CATALOG["squeezenet"]._replace(head="convolution-3x3", summary="changed")

    assert changed.parameters(20) is None
    assert changed.gmacs(20) is None
    assert CATALOG["squeezenet"].parameters(20) == 735_424 + 513 * 20


def test_an_unknown_count_is_shown_as_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a controller without torch."""
    monkeypatch.setattr(counting_process, "find_spec", lambda name: None)
    monkeypatch.setitem(CATALOG, "net", BACKBONE._replace(name="net"))

    assert cli.run(["models"]) == 0
    assert "net                        unknown  ImageNet" in capsys.readouterr().out


def test_a_network_that_cannot_be_counted_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """A name that torchvision does not have, or a head that does not fit."""
    pytest.importorskip("torchvision")
    unfit = BACKBONE._replace(name="unfit", torchvision_name="resnet_18")
    with caplog.at_level(logging.WARNING):
        found = unfit.parameters(20)

    assert found is None
    assert caplog.messages == [
        "the parameters of unfit are unknown: ValueError: Unknown model resnet_18"
    ]


@pytest.mark.parametrize(
    ("entry", "error", "said"),
    [
        (BACKBONE._replace(head="linaer"), UnknownBackbone, "unknown head 'linaer'. Did you mean"),
        (BACKBONE._replace(head=None), UnknownBackbone, "unknown head 'None'"),
        (BACKBONE._replace(head="convolution-1x1"), TypeError, "no convolution in its classifier"),
        (
            CATALOG["squeezenet"]._replace(head="linear"),
            TypeError,
            "does not end in a linear layer",
        ),
    ],
    ids=["misspelt", "none", "no convolution", "no linear layer"],
)
def test_a_head_that_does_not_fit_is_refused(
    entry: Backbone, error: type[Exception], said: str
) -> None:
    """Before any number is wrong."""
    pytest.importorskip("torchvision")
    from models.networks.build import skeleton_of

    with pytest.raises(error, match=said):
        skeleton_of(entry, 5)


@pytest.mark.parametrize(
    "name",
    ["densenet121", "efficientnet_b0", "convnext_tiny", "shufflenet_v2_x0_5", "regnet_y_400mf"],
)
def test_the_linear_head_fits_networks_of_torchvision_that_are_not_in_the_catalog(
    name: str,
) -> None:
    """One entry is enough: the last linear layer is found by itself."""
    pytest.importorskip("torchvision")
    import torch

    from models.networks.build import skeleton_of

    network = skeleton_of(BACKBONE._replace(torchvision_name=name), 7).eval()

    assert network(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 7)
