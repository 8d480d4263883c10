"""Augmentations of torchvision: its own functions with the parameters that were drawn."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor  # noqa: E402
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional  # noqa: E402

from jobs.spec import model  # noqa: E402
from jobs.spec.model import Recipe  # noqa: E402
from models.data.augment import Draws, centred, changes  # noqa: E402
from models.data.batches import Batch  # noqa: E402
from models.data.mix import mixing  # noqa: E402
from models.data.resize import Squaring, make_square  # noqa: E402
from models.training.loss import mean_loss  # noqa: E402

SIDE, STORED, COUNT, CLASSES = 32, 36, 6, 4
DRAWS = Draws(COUNT, 3, 5, SIDE)


def noise(side: int) -> Tensor:
    """Images of noise (n, s, s, 3)."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 255, (COUNT, side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("kind", "scale"), [("random-resized-crop", (0.08, 1)), ("random-resized-crop-35", (0.35, 1))]
)
def test_a_random_crop_is_torchvisions_with_the_same_box(
    kind: str, scale: tuple[float, float]
) -> None:
    """The box and the mirroring are drawn as torchvision draws them from the image's seed."""
    pictures = noise(STORED)
    found = changes(kind, DRAWS)(pictures, np.arange(COUNT))
    expected = []
    for place, image in enumerate(pictures.permute(0, 3, 1, 2)):
        torch.manual_seed(DRAWS.seed_of(place))
        box = v2.RandomResizedCrop.make_params(v2.RandomResizedCrop(SIDE, scale), [image])
        cut = functional.resized_crop(image, **box, size=[SIDE, SIDE], antialias=True)
        mirrored = torch.rand(1) < 0.5
        expected.append((functional.horizontal_flip(cut) if mirrored else cut).permute(1, 2, 0))

    assert torch.equal(found, torch.stack(expected))


def test_randaugment_is_torchvisions() -> None:
    """After mirroring, from the seed of the image; several images change."""
    pictures = noise(SIDE)
    found = changes("randaugment", DRAWS)(pictures, np.arange(COUNT))
    expected = []
    for place, image in enumerate(pictures.permute(0, 3, 1, 2)):
        torch.manual_seed(DRAWS.seed_of(place))
        mirrored = functional.horizontal_flip(image) if torch.rand(1) < 0.5 else image
        expected.append(v2.RandAugment()(mirrored).permute(1, 2, 0))

    assert torch.equal(found, torch.stack(expected))
    assert not torch.equal(found, pictures)


@pytest.mark.parametrize("kind", ["random-resized-crop", "randaugment"])
def test_an_image_changes_alike_in_whatever_batch(kind: str) -> None:
    """Alone and in another order the pixels are the same; in another epoch they are not."""
    pictures, order = noise(STORED), np.array([4, 2, 5, 0, 1, 3])
    at_once = changes(kind, DRAWS)(pictures, np.arange(COUNT))
    shuffled = changes(kind, DRAWS)(pictures[order], order)
    later = changes(kind, DRAWS._replace(epoch=6))(pictures, np.arange(COUNT))

    assert torch.equal(shuffled, at_once[order])
    assert not torch.equal(later, at_once)


def test_mixup_blends_images_and_labels_by_the_same_share() -> None:
    """Each image is blended with the one before it in the batch."""
    pictures, labels = noise(SIDE), torch.tensor([0, 1, 2, 3, 0, 1])
    mixed = mixing(Recipe(mixup=0.4), CLASSES, 0, 1)
    assert mixed is not None
    found = mixed(Batch(pictures, labels), 7)
    share = float(found.labels[1, 1])
    expected = share * pictures.numpy() + (1 - share) * np.roll(pictures.numpy(), 1, 0)

    assert 0 < share < 1
    assert np.allclose(found.images, expected, atol=1e-3)
    assert np.allclose(found.labels[1].numpy(), [1 - share, share, 0, 0], atol=1e-6)
    assert torch.equal(mixed(Batch(pictures, labels), 7).images, found.images)
    assert not torch.equal(mixed(Batch(pictures, labels), 8).images, found.images)


def test_cutmix_pastes_a_rectangle_and_mixes_labels_by_its_area() -> None:
    """Every pixel is that of the image or of the one before it, in the shares of the labels."""
    pictures, labels = noise(SIDE), torch.tensor([0, 1, 2, 3, 0, 1])
    mixed = mixing(Recipe(cutmix=1.0), CLASSES, 0, 1)
    assert mixed is not None
    found = mixed(Batch(pictures, labels), 7)
    own = (found.images == pictures).all(-1).numpy()
    pasted = (found.images == pictures.roll(1, 0)).all(-1).numpy()

    assert (own | pasted).all()
    assert np.isclose(own[1].mean(), float(found.labels[1, 1]), atol=1e-3)
    assert 0 < pasted[1].mean() < 1


def test_both_kinds_of_mixing_take_turns() -> None:
    """Steps differ in whether pixels are blended."""
    pictures, labels = noise(SIDE), torch.arange(COUNT) % CLASSES
    mixed = mixing(Recipe(mixup=0.4, cutmix=1.0), CLASSES, 0, 1)
    assert mixed is not None
    blended = {
        bool((mixed(Batch(pictures, labels), step).images % 1 != 0).any()) for step in range(20)
    }

    assert blended == {True, False}


def test_the_loss_of_mixed_labels_is_the_weighted_loss_of_their_classes() -> None:
    """By numpy; class indices give the same as whole shares."""
    rng = np.random.default_rng(1)
    scores, shares = rng.normal(size=(5, 3)), rng.dirichlet([1, 1, 1], 5)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    whole = torch.tensor([0, 2, 1, 1, 0])
    ours, of_shares = (
        float(mean_loss(torch.tensor(scores), each))
        for each in (whole, torch.nn.functional.one_hot(whole, 3).double())
    )

    assert np.isclose(
        float(mean_loss(torch.tensor(scores), torch.tensor(shares))), -(shares * logs).sum(1).mean()
    )
    assert np.isclose(ours, of_shares)


@pytest.mark.parametrize("size", [(300, 200), (151, 403), (64, 64), (20, 31)])
@pytest.mark.parametrize("crop", [0.875, 0.8, 1.0])
@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_the_centre_of_images_stored_for_crops_is_the_usual_image(
    resize: Any, crop: float, size: tuple[int, int]
) -> None:
    """Validation and test images are the same pixels with and without the margin."""
    rng = np.random.default_rng(2)
    image = Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    for side in (56, 57):
        usual = make_square(image, Squaring(side, resize, "bilinear", crop))
        stored = make_square(image, Squaring(side, resize, "bilinear", crop, margin=True))
        inner = centred(torch.from_numpy(stored.copy())[None], side)[0].numpy()

        assert np.array_equal(inner, usual)


def test_only_random_crops_store_larger_images() -> None:
    """The data set of other augmentations is that of none."""
    settings = {
        kind: model.build({"backbones": "vgg16", "data": "photos", "augment": kind}).data_settings()
        for kind in ("none", "crop-flip", "randaugment", "random-resized-crop")
    }

    assert settings["none"] == settings["crop-flip"] == settings["randaugment"]
    assert Squaring.of(settings["random-resized-crop"]).stored == 256
    assert model.named_by(settings["none"]).keys().isdisjoint({"margin", "split_size"})
