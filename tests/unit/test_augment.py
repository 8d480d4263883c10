"""Augmentation of an image depends only on (seed, epoch, image)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from support.learning import Laboratory, stop_after  # noqa: E402

from jobs.atomic import json_digest  # noqa: E402
from jobs.errors import BadSpec, Stopped  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.model import Recipe, Spec  # noqa: E402
from jobs.spec.run_name import run_name  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.task import Trial  # noqa: E402
from models.data.augment import Change, Draws  # noqa: E402
from models.data.augment import changes as changes_of  # noqa: E402

SIDE = 16
COUNT = 400


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Resets torch to one thread, whatever a trial used."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def changes(kind: str, count: int, seed: int, epoch: int) -> Change:
    """The changes of images of 16 pixels."""
    return changes_of(kind, Draws(count, seed, epoch, SIDE))


@pytest.fixture(scope="module")
def pictures() -> Any:
    """Noise, so that every change shows."""
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 255, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    )


@pytest.mark.parametrize("kind", ["flip", "crop-flip"])
def test_an_image_changes_alike_in_whatever_batch(pictures: Any, kind: Any) -> None:
    """All at once, in another order, or one by one: the pixels are the same."""
    change, order = changes(kind, COUNT, 3, 5), np.random.default_rng(1).permutation(COUNT)
    at_once = change(pictures, np.arange(COUNT))
    shuffled = torch.cat([change(pictures[piece], piece) for piece in np.split(order, [7, 8, 100])])
    single = changes(kind, COUNT, 3, 5)(pictures[9:10], np.array([9]))

    assert torch.equal(shuffled, at_once[order])
    assert torch.equal(single[0], at_once[9])
    assert at_once.dtype == torch.uint8
    assert at_once.is_contiguous()


def test_half_of_the_images_are_mirrored(pictures: Any) -> None:
    """Each image is unchanged or mirrored, in the shares of a fair coin."""
    changed = changes("flip", COUNT, 0, 1)(pictures, np.arange(COUNT))
    same = [torch.equal(new, old) for new, old in zip(changed, pictures, strict=True)]
    mirrored = [torch.equal(new, old.flip(1)) for new, old in zip(changed, pictures, strict=True)]

    assert all(one != other for one, other in zip(same, mirrored, strict=True))
    assert 160 < sum(mirrored) < 240


def test_a_crop_is_the_one_that_padding_by_reflection_gives(pictures: Any) -> None:
    """Every result is one of the 25 x 2 that an eighth of 16 pixels allows, and all offsets
    occur.
    """
    from torch.nn.functional import pad

    changed = changes("crop-flip", COUNT, 0, 1)(pictures, np.arange(COUNT))
    found = []
    for new, old in zip(changed, pictures, strict=True):
        padded = [
            pad(each.permute(2, 0, 1).float(), (2, 2, 2, 2), mode="reflect").permute(1, 2, 0).byte()
            for each in (old, old.flip(1))
        ]
        found += [
            (flip, y, x)
            for flip in (0, 1)
            for y in range(5)
            for x in range(5)
            if torch.equal(padded[flip][y : y + SIDE, x : x + SIDE], new)
        ]

    assert len(found) == COUNT
    assert {(y, x) for _, y, x in found} == {(y, x) for y in range(5) for x in range(5)}


def test_epochs_and_seeds_draw_anew(pictures: Any) -> None:
    """The same image changes differently in each epoch; without augmentation it does not change."""
    places = np.arange(COUNT)
    one, other, third = (
        changes("flip", COUNT, s, e)(pictures, places) for s, e in ((0, 1), (0, 2), (1, 1))
    )

    assert not torch.equal(one, other)
    assert not torch.equal(one, third)
    assert changes("none", COUNT, 0, 1)(pictures, places) is pictures


def test_a_trial_stopped_in_mid_epoch_sees_the_same_images(
    animal_folder: Path, tmp_path: Path
) -> None:
    """Weights and rows equal those of an uninterrupted trial, and differ from those without
    augmentation.
    """
    outcomes = {}
    for name, augment, calls in (
        ("straight", "crop-flip", None),
        ("stopped", "crop-flip", 3),
        ("plain", "none", None),
    ):
        laboratory = Laboratory.of(tmp_path / name, animal_folder, image_size=32)
        laboratory.prepare()
        trial, stops = laboratory.trial("squeezenet", [2], batch_size=8, augment=augment), 0
        while name not in outcomes:
            try:
                stop = (lambda: False) if calls is None else stop_after(calls)
                digest = laboratory.train(trial, 2, should_stop=stop)["weights_digest"]
                rows = tables.read_rows(laboratory.store.root, "epochs", [trial]).to_pylist()
                outcomes[name] = (
                    digest,
                    [(row["train_loss"], row["val_loss"]) for row in rows],
                    stops,
                )
            except Stopped:
                stops += 1

    assert outcomes["stopped"][2] > 2
    assert outcomes["stopped"][:2] == outcomes["straight"][:2]
    assert outcomes["plain"][0] != outcomes["straight"][0]


def test_keys_that_came_later_leave_names_as_they_were() -> None:
    """A trial's name is the hash of the first keys while the later ones have their defaults."""
    first = {
        "batch_size": 32,
        "learning_rate": 0.001,
        "momentum": 0.9,
        "plateau_factor": 0.1,
        "plateau_patience": 2,
        "precision": "auto",
    }
    plain = Trial("d", "vgg16", "none", Recipe(), 0)
    wanted = json_digest(
        {"data": "d", "backbone": "vgg16", "weights": "none", "recipe": first, "seed": 0}
    )
    flipped = Trial("d", "vgg16", "none", Recipe(augment="flip"), 0)

    assert plain.name == f"vgg16-s0-{wanted[:8]}"
    assert flipped.name != plain.name
    assert Trial.from_dict(plain.as_dict()) == plain
    assert Trial.from_dict(flipped.as_dict()) == flipped


def test_a_run_is_another_one_only_where_something_was_asked_for() -> None:
    """The name of a run without the later keys is made from the first ones."""
    plain, flipped = (
        model.build({"backbones": "all", **more}) for more in ({}, {"augment": "flip"})
    )
    asked = model.named_by(plain)

    assert model.LATER & asked.keys() == set()
    assert model.named_by(flipped) == asked | {"augment": "flip"}
    assert (
        run_name(plain, "d") == run_name(Spec(**plain.model_dump()), "d") != run_name(flipped, "d")
    )


def test_an_unknown_augmentation_is_refused() -> None:
    """The message lists the accepted values."""
    with pytest.raises(
        BadSpec,
        match="augment: one of none, flip, crop-flip, random-resized-crop, ",
    ):
        model.build({"backbones": "all", "augment": "rotate"})
