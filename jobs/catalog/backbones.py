"""The registry of backbones: the facts about each network that the controller needs without torch.

Parameters and multiply-adds are counted by `make catalog`, into `jobs/catalog/backbone_counts.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobs.catalog.suggest import unknown
from jobs.errors import UnknownBackbone

if TYPE_CHECKING:
    from jobs.catalog.counts import Counts

PUBLISHED_SIZE = 224
"""Image side in pixels at which multiply-adds are published."""


class Backbone(NamedTuple):
    """One entry of the catalog.

    `torchvision_name` is the network's name in torchvision. Otherwise `own` is our class, as
    `module:class`; it takes the number of classes and makes its own head. `head` is the kind of
    head put on a network of torchvision (`models.networks.catalog_heads.HEADS`).
    `weights_url_file` is the file of ImageNet weights that torchvision downloads.

    `min_image_size` is the smallest trainable image side in pixels. It is 8, the minimum of a data
    set, where any size works. `relative_cost` orders the queue: the time of one training step
    relative to the smallest network, measured on a CPU at 64 px.
    """

    name: str
    title: str
    summary: str
    min_image_size: int
    relative_cost: float
    torchvision_name: str | None = None
    head: str | None = None
    weights_url_file: str | None = None
    own: str | None = None

    @property
    def architecture(self) -> str:
        """What its counts depend on, such as `squeezenet1_0 with head convolution-1x1`."""
        if self.torchvision_name is None:
            return str(self.own)
        return f"{self.torchvision_name} with head {self.head}"

    @property
    def counts(self) -> Counts | None:
        """Its counts: generated ones, else counted now; None where torch is not installed."""
        from jobs.catalog.backbone_counts import COUNTS

        generated = COUNTS.get(self.name)
        if generated is not None and generated.of == self.architecture:
            return generated
        from jobs.catalog import counting_process

        return counting_process.count(self)

    def parameters(self, classes: int) -> int | None:
        """Number of trainable parameters for this number of classes; None if unknown."""
        counts = self.counts
        return None if counts is None else counts.total_parameters(classes)

    def gmacs(self, classes: int) -> float | None:
        """Multiply-adds in billions: one forward pass of one 224 px image, this many classes."""
        return self.gmacs_at(classes, PUBLISHED_SIZE)

    def gmacs_at(self, classes: int, image_size: int) -> float | None:
        """The same for an image of another size; None if unknown."""
        counts = self.counts
        total = None if counts is None else counts.multiply_adds(classes, image_size)
        return None if total is None else total / 1e9

    @property
    def has_pretrained(self) -> bool:
        """Whether pretrained ImageNet weights exist for this network."""
        return self.torchvision_name is not None

    @property
    def weights_file(self) -> str | None:
        """The file name looked for in `ORCH_WEIGHTS_DIR`: `<torchvision name>.pth`."""
        return f"{self.torchvision_name}.pth" if self.torchvision_name else None


CATALOG: dict[str, Backbone] = {
    entry.name: entry
    for entry in (
        Backbone(
            name="scratch",
            title="Scratch",
            summary="five convolutions with batch norm, three hidden linear layers; starts from "
            "random weights",
            min_image_size=32,
            relative_cost=1.0,
            own="models.networks.scratch:Scratch",
        ),
        Backbone(
            name="alexnet",
            title="AlexNet",
            summary="five convolutions, two hidden linear layers of 4,096",
            min_image_size=63,
            relative_cost=5.0,
            torchvision_name="alexnet",
            head="linear",
            weights_url_file="alexnet-owt-7be5be79.pth",
        ),
        Backbone(
            name="mobilenet-v3",
            title="MobileNet V3",
            summary="MobileNet V3 large: inverted residuals with squeeze-and-excite",
            min_image_size=8,
            relative_cost=6.0,
            torchvision_name="mobilenet_v3_large",
            head="small-linear",
            weights_url_file="mobilenet_v3_large-8738ca79.pth",
        ),
        Backbone(
            name="squeezenet",
            title="SqueezeNet",
            summary="SqueezeNet 1.0: fire modules, a 1x1 convolution as classifier",
            min_image_size=21,
            relative_cost=1.5,
            torchvision_name="squeezenet1_0",
            head="convolution-1x1",
            weights_url_file="squeezenet1_0-b66bff10.pth",
        ),
        Backbone(
            name="squeezenet-finetuned",
            title="Finetuned SqueezeNet",
            summary="SqueezeNet 1.0 with a 3x3 convolution as classifier",
            min_image_size=53,
            relative_cost=1.6,
            torchvision_name="squeezenet1_0",
            head="convolution-3x3",
            weights_url_file="squeezenet1_0-b66bff10.pth",
        ),
        Backbone(
            name="vgg16",
            title="VGG16",
            summary="thirteen 3x3 convolutions, two hidden linear layers of 4,096",
            min_image_size=32,
            relative_cost=25.0,
            torchvision_name="vgg16",
            head="small-linear",
            weights_url_file="vgg16-397923af.pth",
        ),
        Backbone(
            name="resnet34",
            title="ResNet34",
            summary="residual network of 34 layers",
            min_image_size=8,
            relative_cost=9.0,
            torchvision_name="resnet34",
            head="linear",
            weights_url_file="resnet34-b627a593.pth",
        ),
    )
}


def find_backbone(name: str) -> Backbone:
    """The catalog entry with this name; raises `UnknownBackbone`, suggesting the closest match."""
    if name in CATALOG:
        return CATALOG[name]
    raise UnknownBackbone(f"{unknown('backbone', name, CATALOG)}.")


TYPICAL_COST = 5.0
"""Relative cost of a network of which nothing is known: the median of the catalog."""


def relative_cost(name: str) -> float:
    """The relative cost of a backbone at 224 px; a typical one for those outside the catalog."""
    return CATALOG[name].relative_cost if name in CATALOG else TYPICAL_COST
