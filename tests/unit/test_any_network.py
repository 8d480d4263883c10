"""Networks of torchvision and timm: heads, image sizes, and a real step of many families."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
pytest.importorskip("torchvision", reason="torchvision is not installed (extra 'worker')")

from torch.nn import functional  # noqa: E402

from jobs.errors import BadSpec, UnknownBackbone  # noqa: E402
from models.networks import check, costs, libraries, search, torchvision_networks  # noqa: E402
from models.networks.libraries import Wanted  # noqa: E402

CLASSES = 5
TORCHVISION = {
    "alexnet": 64,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 64,
    "inception_v3": 80,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "vit_b_32": 64,
}
TIMM = {
    "convnext_atto": 32,
    "deit_tiny_distilled_patch16_224": 32,
    "efficientvit_b0": 32,
    "ghostnet_050": 32,
    "levit_128s": 224,
    "mixer_s32_224": 64,
    "mobilenetv4_conv_small_035": 32,
    "poolformerv2_s12": 32,
    "pvt_v2_b0": 32,
    "resnet10t": 32,
    "swin_tiny_patch4_window7_224": 56,
    "tf_efficientnet_lite0": 32,
    "vit_tiny_patch16_224": 32,
    "xcit_nano_12_p16_224": 32,
}


@pytest.mark.long
@pytest.mark.parametrize("name", torchvision_networks.names())
def test_every_classifier_of_torchvision_gets_a_head(name: str) -> None:
    """Without a list of names: one layer has the classes; auxiliary outputs are gone."""
    size = torchvision_networks.native(name).image_size
    network = libraries.skeleton(Wanted(f"torchvision:{name}", size), CLASSES)
    head = [key for key, value in network.state_dict().items() if value.shape[:1] == (CLASSES,)]
    auxiliary = [layer for layer in network.modules() if "Aux" in type(layer).__name__]

    assert {key.rpartition(".")[2] for key in head} in ({"weight", "bias"}, {"weight"})
    assert len({key.rpartition(".")[0] for key in head}) == 1
    assert auxiliary == []


@pytest.mark.parametrize(
    ("library", "name", "size"),
    [
        *(("torchvision", name, size) for name, size in TORCHVISION.items()),
        *(("timm", name, size) for name, size in TIMM.items()),
    ],
)
def test_a_network_of_many_families_takes_a_step(library: str, name: str, size: int) -> None:
    """Of small images, where its grid of patches can be another."""
    pytest.importorskip(library, reason=f"{library} is not installed")
    network = libraries.build(Wanted(f"{library}:{name}", size), CLASSES, 0, None).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.001)
    scores = network(torch.rand(2, 3, size, size)).flatten(1)
    loss = functional.cross_entropy(scores, torch.tensor([0, 1]))
    loss.backward()
    optimizer.step()

    assert scores.shape == (2, CLASSES)
    assert torch.isfinite(loss)
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize(
    ("label", "size", "words"),
    [
        ("torchvision:vit_b_32", 100, "for example, 64, 96, 128, 224"),
        ("torchvision:alexnet", 32, "for example, 64, 96, 128, 224"),
        ("timm:mixer_s32_224", 16, "for example, "),
    ],
)
def test_a_size_that_a_network_cannot_take_is_refused_with_sizes_that_it_takes(
    label: str, size: int, words: str
) -> None:
    """Read off the network itself, on torch's meta device."""
    pytest.importorskip(label.partition(":")[0])
    with pytest.raises(BadSpec, match=f"does not take images of {size} px") as refusal:
        check.check(check.NetworkRequest(label, {"image_size": size}), CLASSES, None)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("torchvision:convnext_tinny", "Did you mean 'torchvision:convnext_tiny'?"),
        ("torchvision:fcn_resnet50", "no classifier 'fcn_resnet50'"),
        ("timm:vit_smal_patch16_224", "Did you mean 'timm:vit_small_patch16_224'?"),
        ("timm:resnet18.a9_in1k", "no weights 'a9_in1k' of resnet18"),
        ("entry:mine", "an entry point 'mine' in the group 'orch.backbones'"),
    ],
)
def test_an_unknown_network_is_refused_with_the_closest_one(label: str, words: str) -> None:
    """A segmentation network is no classifier; a tag of weights is part of timm's names."""
    if label.startswith("timm"):
        pytest.importorskip("timm")
    with pytest.raises(UnknownBackbone) as refusal:
        check.check(check.NetworkRequest(label, {}), CLASSES, None)

    assert words in str(refusal.value)


def test_a_value_that_is_passed_to_a_layer_does_not_stop_the_count() -> None:
    """As the class token of CaiT and PiT."""

    class Token(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = torch.nn.Parameter(torch.zeros(3))
            self.layer = torch.nn.Linear(3, CLASSES)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layer(self.token) + self.layer(images.mean((2, 3)))

    cost = costs.of_image(Token(), 8)

    assert cost.gmacs == pytest.approx(2 * 3 * CLASSES / 1e9)
    assert cost.millions == pytest.approx(2 * CLASSES / 1e6)


def test_a_network_that_memory_limits_costs_more_than_its_multiply_adds() -> None:
    """MobileNet V3 has a third of AlexNet's multiply-adds and takes twice as long to train."""
    names = ("alexnet", "mobilenet_v3_large")
    mobile = [
        check.check(check.NetworkRequest(f"torchvision:{name}", {}), 20, None) for name in names
    ]

    assert mobile[1]["gmacs"] < mobile[0]["gmacs"] / 3
    assert mobile[1]["relative_cost"] > mobile[0]["relative_cost"]


def test_a_search_finds_networks_with_what_is_known_of_them() -> None:
    """Counts from torch's meta device; the licence and the preparation as the library says."""
    pytest.importorskip("timm")
    labels = search.matching("vit_tiny_patch16")
    found = search.facts("timm:vit_tiny_patch16_224", 10, None, None)

    assert "timm:vit_tiny_patch16_224" in labels
    assert found["parameters"] == 5_526_346
    assert found["gmacs"] == pytest.approx(1.25, abs=0.02)
    assert (found["image_size"], found["mean"]) == (224, [0.5, 0.5, 0.5])
    assert (found["licence"], found["weights_here"]) == ("apache-2.0", False)
