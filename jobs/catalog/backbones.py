"""The registry of backbones: the facts about each network that the controller needs without torch.

Parameters and multiply-adds are counted by `make catalog`, into `jobs/catalog/backbone_counts.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobs.catalog import stages
from jobs.catalog.stages import Stage, last_side, multiply_adds
from jobs.errors import UnknownBackbone

PUBLISHED_SIZE = 224
"""Image side in pixels at which multiply-adds are published."""


PUBLISHED_SIZE = 224
"""Image side in pixels at which multiply-adds are published."""


class Backbone(NamedTuple):
    """One entry of the catalog.

    `torchvision_name` is the network's name in torchvision. Otherwise `own` is our class, as
    `module:class`; it takes the number of classes and makes its own head. `head` is the kind of
    head put on a network of torchvision (`models.networks.heads.HEADS`). `weights_url_file` is the
    file of ImageNet weights that torchvision downloads.

    `relative_cost` orders the queue: the time of one training step relative to the smallest
    network, measured on a CPU at 64 px. `body_macs` counts the multiply-adds of all convolutions
    and linear layers except the last, for one image of 224 px. `head_macs` counts those of the
    last layer per class. With 1,000 classes the sum equals the figure torchvision publishes.
    `stages` are its convolutions by side, for other image sizes; what is in none of them does not
    depend on the size. `head_kernel` is the kernel of a last layer that is a convolution.
    """

    name: str
    title: str
    summary: str
    min_image_size: int
    relative_cost: float
    body_macs: int
    head_macs: int
    summary: str
    stages: tuple[Stage, ...] = ()
    head_kernel: int | None = None

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

    def gmacs_at(self, classes: int, image_size: int) -> float | None:
        """The same for an image of another size; None if the entry has no `stages`."""
        if image_size == PUBLISHED_SIZE:
            return self.gmacs(classes)
        if not self.stages:
            return None
        body = self.body_macs - multiply_adds(self.stages, PUBLISHED_SIZE)
        body += multiply_adds(self.stages, image_size)
        head = self.head_macs
        if self.head_kernel:
            positions = (last_side(self.stages, image_size) - self.head_kernel + 1) ** 2
            head = self.head_inputs * positions
        return (body + head * classes) / 1e9

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
            "scratch",
            "Scratch",
            None,
            None,
            6_980_864,
            128,
            32,
            1.0,
            259_473_408,
            128,
            "five convolutions with batch norm, three hidden linear layers; starts from random "
            "weights",
            stages.SCRATCH,
        ),
        Backbone(
            "alexnet",
            "AlexNet",
            "alexnet",
            "alexnet-owt-7be5be79.pth",
            57_003_840,
            4096,
            63,
            5.0,
            710_092_480,
            4096,
            "five convolutions, two hidden linear layers of 4,096",
            stages.ALEXNET,
        ),
        Backbone(
            "mobilenet-v3",
            "MobileNet V3",
            "mobilenet_v3_large",
            "mobilenet_v3_large-8738ca79.pth",
            4_202_032,
            1280,
            8,
            6.0,
            215_309_760,
            1280,
            "MobileNet V3 large: inverted residuals with squeeze-and-excite",
            stages.MOBILENET_V3,
        ),
        Backbone(
            "squeezenet",
            "SqueezeNet",
            "squeezenet1_0",
            "squeezenet1_0-b66bff10.pth",
            735_424,
            512,
            21,
            1.5,
            732_396_576,
            86_528,
            "SqueezeNet 1.0: fire modules, a 1x1 convolution as classifier",
            stages.SQUEEZENET,
            1,
        ),
        Backbone(
            "squeezenet-finetuned",
            "Finetuned SqueezeNet",
            "squeezenet1_0",
            "squeezenet1_0-b66bff10.pth",
            735_424,
            4608,
            53,
            1.6,
            732_396_576,
            557_568,
            "SqueezeNet 1.0 with a 3x3 convolution as classifier",
            stages.SQUEEZENET,
            3,
        ),
        Backbone(
            "vgg16",
            "VGG16",
            "vgg16",
            "vgg16-397923af.pth",
            134_260_544,
            4096,
            32,
            25.0,
            15_466_168_320,
            4096,
            "thirteen 3x3 convolutions, two hidden linear layers of 4,096",
            stages.VGG16,
        ),
        Backbone(
            "resnet34",
            "ResNet34",
            "resnet34",
            "resnet34-b627a593.pth",
            21_284_672,
            512,
            8,
            9.0,
            3_663_249_408,
            512,
            "residual network of 34 layers",
            stages.RESNET34,
        ),
    )
}


def find_backbone(name: str) -> Backbone:
    """The catalog entry with this name; raises `UnknownBackbone`, suggesting the closest match."""
    if name in CATALOG:
        return CATALOG[name]
    raise UnknownBackbone(f"{unknown('backbone', name, CATALOG)}.")


def relative_cost(name: str) -> float:
    """The relative cost of a backbone; 1 for one that is not in the catalog."""
    return CATALOG[name].relative_cost if name in CATALOG else 1.0
