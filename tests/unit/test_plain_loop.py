"""Float32 training equals a plain training loop with torchvision bit for bit, on the same order of
images.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torchvision import datasets, transforms  # noqa: E402

from jobs.data import image_folder  # noqa: E402
from jobs.spec.model import DataSettings, Recipe  # noqa: E402
from jobs.spec.networks import STUDY  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.data.prepare_data_set import prepare_folder  # noqa: E402
from models.networks import build  # noqa: E402
from models.training.learner import Learner  # noqa: E402
from models.training.loop import EpochProgress, steps_of, train_epoch  # noqa: E402

SIZE, BATCH = 64, 8
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Data]:
    """Forty JPEGs of two classes, as files and prepared."""
    root = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for number in range(40):
        place = root / "files" / f"class-{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize((120, 90), Image.Resampling.BICUBIC).save(place / f"{number}.jpg", quality=90)
    store, settings = Store(root / "store").open(create=True), DataSettings(image_size=SIZE)
    source = image_folder.read_folder(root / "files")
    name = source.data_id(settings)
    store.save_data(name, source, settings)
    prepare_folder(source, settings, store.data_folder(name), processes=1)
    return root / "files", Data.load(store, name)


def network_of(name: str) -> nn.Module:
    """A backbone without dropout, whose draws the two loops could not share."""
    network = build.build_network(name, 2, 0)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def by_hand(
    name: str,
    files: Path,
    data: Data,
    order: list[list[int]],
    channels_last: bool,
    dtype: torch.dtype = torch.float32,
) -> nn.Module:
    """One epoch as torchvision's recipe does it: ImageFolder, its transforms, SGD in `dtype`."""
    side = round(SIZE * 256 / 224)
    images = datasets.ImageFolder(
        str(files),
        transforms.Compose(
            [
                transforms.Resize((side, side)),
                transforms.CenterCrop(SIZE),
                transforms.ToTensor(),
                transforms.Normalize(STUDY.mean, STUDY.deviation),
            ]
        ),
    )
    place = {
        Path(path).relative_to(files).as_posix(): number
        for number, (path, _) in enumerate(images.samples)
    }
    network = network_of(name).train()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(dtype).to(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    for indices in order:
        chosen = [images[place[data.paths[index]]] for index in indices]
        batch = (
            torch.stack([image for image, _ in chosen]).to(dtype).contiguous(memory_format=layout)
        )
        optimizer.zero_grad()
        functional.cross_entropy(
            network(batch).flatten(1), torch.tensor([label for _, label in chosen])
        ).backward()
        optimizer.step()
    return network


def ours(name: str, data: Data) -> tuple[nn.Module, list[list[int]]]:
    """The same epoch by `orch`, and the order in which it took the images."""
    learner = Learner.of(network_of(name), Recipe(batch_size=BATCH), 0, CPU, "fp32")
    order = [piece.tolist() for piece in steps_of(data, learner, 1)]
    train_epoch(learner, data, 1, EpochProgress(), lambda *_: None)
    return learner.network, order


@pytest.mark.parametrize("name", ["scratch", "squeezenet", "resnet34"])
def test_float32_equals_the_loop_by_hand(photographs: tuple[Path, Data], name: str) -> None:
    """Every weight and every statistic after an epoch, with channels last in both."""
    files, data = photographs
    network, order = ours(name, data)
    plain = by_hand(name, files, data, order, channels_last=True)

    for key, value in network.state_dict().items():
        assert torch.equal(value, plain.state_dict()[key]), key


@pytest.mark.parametrize("name", ["scratch", "resnet34"])
def test_channels_first_differ_by_rounding_alone(photographs: tuple[Path, Data], name: str) -> None:
    """The step equals float64's up to rounding, in whatever order the CPU's kernels sum. One ReLU
    or maximum that changes by rounding moves single weights far: up to 1.4% of the step's length,
    in the plain loop too. So the length of the whole difference is compared. Another learning rate,
    normalisation or loss would exceed the bound by far.
    """
    files, data = photographs
    data = replace(data, splits=data.splits | {"train": data.splits["train"][:BATCH]})
    network, order = ours(name, data)
    exact = by_hand(name, files, data, order, channels_last=False, dtype=torch.float64)
    step = distance(network_of(name), exact)

    assert step > 0
    assert distance(network, exact) < 5e-2 * step


def distance(one: nn.Module, other: nn.Module) -> float:
    """Euclidean distance of all weights of two networks, summed in float64."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return math.sqrt(sum(float((a.double() - b.double()).square().sum()) for a, b in pairs))
