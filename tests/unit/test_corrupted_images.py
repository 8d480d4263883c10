"""What a corruption does to an image, and what an evaluation on corrupted images records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.catalog.corruptions import CORRUPTIONS, SEVERITIES
from jobs.store import tables
from jobs.task import Task


@pytest.fixture(scope="module")
def pictures() -> Any:
    """Smooth images of 64 pixels, all different."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    torch.set_num_threads(1)
    die = torch.Generator().manual_seed(0)
    small = torch.rand((12, 3, 16, 16), generator=die)
    large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")
    return (255 * large).byte().permute(0, 2, 3, 1).contiguous()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_grows_with_severity_and_is_the_same_in_whatever_batch(
    pictures: Any, name: str
) -> None:
    """Pixels move further from the original each time; one by one or all at once, they are the
    same.
    """
    import numpy as np
    import torch

    from models.data.corruptions import corrupter

    places, original = np.arange(100, 112), pictures.clone()
    distances = []
    for severity in SEVERITIES:
        change = corrupter(name, severity)
        at_once = change(pictures, places)
        cuts = slice(0, 5), slice(5, 6), slice(6, 12)
        parts = torch.cat([change(pictures[cut], places[cut]) for cut in cuts])
        again = corrupter(name, severity)(pictures, places)
        distances.append(float((at_once.float() - pictures.float()).abs().mean()))

        assert at_once.shape == pictures.shape
        assert at_once.dtype == torch.uint8
        assert torch.equal(at_once, again)
        assert int((at_once.int() - parts.int()).abs().max()) <= (1 if name == "blur" else 0)
    assert torch.equal(pictures, original)
    assert distances[0] > 0
    assert distances == sorted(distances)


@pytest.mark.parametrize("name", ["noise", "rotation", "occlusion"])
def test_what_is_drawn_depends_on_the_image(pictures: Any, name: str) -> None:
    """The same image at other places of the data set is corrupted differently."""
    import numpy as np
    import torch

    from models.data.corruptions import corrupter

    twins = pictures[:1].expand(12, -1, -1, -1).contiguous()
    changed = corrupter(name, 3)(twins, np.arange(12))

    assert not all(torch.equal(changed[0], other) for other in changed[1:])
    assert torch.equal(corrupter("none", 0)(twins, np.arange(12)), twins)


def test_a_harder_test_is_done_like_any_other(animal_folder: Path, tmp_path: Path) -> None:
    """Its row has corruption and severity, no answers are kept, and no file takes
    another's place.
    """
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    from support.learning import Laboratory

    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    laboratory.prepare()
    trial = laboratory.trial("squeezenet", [1], batch_size=8)
    laboratory.train(trial, 1)
    plain = laboratory.evaluate(trial, 1)
    noisy = [
        laboratory.do(Task("evaluate", trial, 1, word)) for word in ("noise-1", "noise-5", "jpeg-2")
    ]
    rows = tables.read_rows(laboratory.store.root, "evaluations", [trial]).to_pylist()
    answers = tables.read_rows(laboratory.store.root, "predictions", [trial])
    torch.set_num_threads(1)

    assert {(row["corruption"], row["severity"]): row["loss"] for row in rows} == {
        ("none", 0): plain["loss"],
        ("noise", 1): noisy[0]["loss"],
        ("noise", 5): noisy[1]["loss"],
        ("jpeg", 2): noisy[2]["loss"],
    }
    assert len({row["loss"] for row in rows}) == 4
    assert {row["total"] for row in rows} == {plain["total"]} == {answers.num_rows}
