"""A step, an epoch, an evaluation."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from support.toy_training import CPU, learner, nothing, some_data  # noqa: E402
from torch import nn  # noqa: E402

from jobs.catalog import backbones  # noqa: E402
from jobs.errors import BadSpec, LossNotFinite  # noqa: E402
from jobs.spec.model import Recipe  # noqa: E402
from models.data.batches import Batch  # noqa: E402
from models.networks.build import build_network  # noqa: E402
from models.training.inference import predict_split, ranks, validate  # noqa: E402
from models.training.learner import Learner, normalised, step  # noqa: E402
from models.training.loop import EpochProgress, train_epoch  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small work is fastest with one thread."""
    torch.set_num_threads(1)


@pytest.mark.parametrize(("count", "size"), [(4, 9), (7, 224), (1, 700), (0, 9)])
def test_images_are_normalised_as_imagenets(count: int, size: int) -> None:
    """Bit for bit those of torchvision's `ToTensor` and `Normalize`, channels last in memory."""
    transforms = pytest.importorskip("torchvision.transforms")
    images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8)
    reference = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    expected = (
        torch.stack([reference(image.numpy()) for image in images])
        if count
        else torch.empty(0, 3, size, size)
    )
    found, half = normalised(images), normalised(images, torch.bfloat16)

    assert torch.equal(found, expected)
    assert torch.equal(half, expected.to(torch.bfloat16))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert half.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", list(backbones.CATALOG))
def test_in_bf16_a_network_answers_as_autocast_of_float32_images_does(name: str) -> None:
    """Images are rounded before the first layer and not in it: bit for bit the same."""
    trained = Learner.of(build_network(name, 2, 0), Recipe(), 0, CPU, "bf16")
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    trained.network.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = trained.network(normalised(images)).flatten(1).float()

    assert torch.equal(trained.scores(Batch(images, torch.zeros(2, dtype=torch.long))), expected)


def test_a_step_is_sgd_with_momentum_on_cross_entropy() -> None:
    """Against a plain hand-written step on the same batch, without dropout."""
    one, two = learner(learning_rate=0.01), learner(learning_rate=0.01)
    data = some_data()
    batch = Batch(
        torch.from_numpy(data.images[:8].copy()), torch.from_numpy(data.labels[:8].copy())
    )
    for each in (one, two):
        for module in each.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    plain = torch.optim.SGD(two.network.parameters(), lr=0.01, momentum=0.9)
    for number in (1, 2, 3):
        step(one, batch, 1, number)
        plain.zero_grad()
        nn.CrossEntropyLoss()(two.network(normalised(batch.images)), batch.labels).backward()
        plain.step()

    for found, expected in zip(one.network.parameters(), two.network.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns(precision: str) -> None:
    """Dark and light images are classified correctly after a few epochs, in either precision."""
    trained, data = learner(precision=precision, learning_rate=0.01), some_data(40)
    first, last = EpochProgress(), EpochProgress()
    train_epoch(trained, data, 1, first, nothing)
    for epoch in (2, 3, 4, 5):
        last = EpochProgress()
        train_epoch(trained, data, epoch, last, nothing)

    assert last.loss < first.loss / 2
    assert validate(trained, data, 5, lambda done: None).accuracy == 1.0


def test_scores_are_single_precision_and_weights_too_under_bf16() -> None:
    """Autocast computes in bf16; stored values stay float32."""
    trained, data = learner("squeezenet", "bf16"), some_data()
    scores = next(iter(predict_split(trained, data, "test")))[2]

    assert scores.dtype == torch.float32
    assert torch.equal(scores, scores.bfloat16().float())
    assert {value.dtype for value in trained.network.parameters()} == {torch.float32}


def test_an_epoch_counts_each_image_once_and_leaves_out_a_single_last_one() -> None:
    """17 images in batches of 8: two steps, 16 images; 18: three steps, all of them."""
    counts = []
    for train in (17, 18):
        running = EpochProgress()
        train_epoch(learner(), some_data(train), 1, running, nothing)
        counts.append((running.step, running.images))

    assert counts == [(2, 16), (3, 18)]


def test_a_loss_that_is_not_finite_says_when() -> None:
    """Epoch, step and learning rate are in the message, and it is the first such step."""
    trained, data = learner(learning_rate=0.25), some_data(40)
    with torch.no_grad():
        trained.network.head.bias.fill_(float("inf"))
    with pytest.raises(LossNotFinite, match=r"nan in epoch 4, step 1, at learning rate 0\.25"):
        train_epoch(trained, data, 4, EpochProgress(), nothing)


def test_a_validation_loss_that_is_not_finite_says_when() -> None:
    """Training may stay finite and validation not (batch statistics)."""
    trained = learner()
    with torch.no_grad():
        trained.network.head.bias.fill_(float("nan"))
    with pytest.raises(LossNotFinite, match="validation loss is nan after epoch 2"):
        validate(trained, some_data(), 2, lambda done: None)


def test_a_batch_too_small_for_batch_norm_says_what_to_change() -> None:
    """ResNet at 32 pixels leaves one value per channel."""
    with pytest.raises(BadSpec, match="batch size 1 is too small for this network at 32 px"):
        train_epoch(learner("resnet34", batch_size=1), some_data(4), 1, EpochProgress(), nothing)


def test_validation_uses_neither_dropout_nor_batch_statistics() -> None:
    """The same prediction twice, and an image's prediction does not depend on the rest of its
    batch.
    """
    trained, data = learner(), some_data()
    twice = [
        torch.cat([scores for _, _, scores in predict_split(trained, data, "test")])
        for _ in range(2)
    ]
    trained.recipe = Recipe(batch_size=1)
    alone = torch.cat([scores for _, _, scores in predict_split(trained, data, "test")])

    assert torch.equal(*twice)
    assert torch.allclose(twice[0], alone, atol=1e-4)


def test_the_mean_loss_and_the_accuracy_are_over_images_not_batches() -> None:
    """Eight validation images in uneven batches, against one computation over all."""
    trained, data = learner(batch_size=1), some_data()
    validation = validate(trained, data, 1, lambda done: None)
    loss, accuracy = validation.loss, validation.accuracy
    index = data.splits["validation"]
    with torch.inference_mode():
        scores = trained.network(normalised(torch.from_numpy(data.images[index])))
    labels = torch.from_numpy(data.labels[index])

    assert math.isclose(loss, nn.functional.cross_entropy(scores, labels).item(), rel_tol=1e-4)
    assert accuracy == (scores.argmax(1) == labels).double().mean().item()


def test_ranks_agree_with_the_answer_when_scores_are_equal() -> None:
    """Of equal scores the lower class comes first, as in argmax: only rank 0 is correct."""
    scores = np.array(
        [[1.0, 3.0, 2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [2.0, 1.0, 2.0]], np.float32
    )
    labels = np.array([2, 0, 2, 2])
    found = ranks(scores, labels)

    assert found.tolist() == [1, 0, 2, 1]
    assert ((found == 0) == (torch.from_numpy(scores).argmax(1).numpy() == labels)).all()
