"""Networks that a run cannot be made of: exit code 2, one line, and nothing written."""

from __future__ import annotations

import pytest
from support.refusals import Terminal

from orchestrator import network_check

FORMS = [
    ("timm:", "names no network. Write timm:NAME"),
    ("torchvision:a/b", "is not a name"),
    ("keras:resnet50", "unknown prefix 'keras:'"),
    ("tim:resnet18", "Did you mean 'timm:'?"),
    ("nets.py", "names no function. Write nets.py:FUNCTION"),
    ("nets.py:", "names no function after the file"),
    ("gone.py:make", "cannot read the file of the backbone"),
    ("convnext_tiny", "Others are written torchvision:NAME, timm:NAME"),
]
CHECKED = [
    ("torchvision:convnext_tinny", "Did you mean 'torchvision:convnext_tiny'?"),
    ("nets.py:fails", "nets.py:fails: its function raised KeyError: 'oops'"),
    ("nets.py:wrong", "for two images and 2 classes"),
]
NETS = """
import torch

def fails(num_classes):
    raise KeyError("oops")

def wrong(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(7))
"""


@pytest.mark.parametrize(("given", "words"), FORMS, ids=[given for given, _ in FORMS])
def test_a_reference_of_no_known_form_is_refused(
    given: str, words: str, terminal: Terminal
) -> None:
    """Without torch; the line says how networks are written."""
    terminal.refuses(("submit", "--backbone", given), words)


@pytest.mark.parametrize(("given", "words"), CHECKED, ids=[given for given, _ in CHECKED])
def test_what_only_torch_can_check_is_refused_at_submit(
    given: str, words: str, terminal: Terminal
) -> None:
    """In a short-lived process, before anything is written."""
    pytest.importorskip("torchvision")
    (terminal.folder / "nets.py").write_text(NETS)
    photos = terminal.folder / "photos"
    pytest.importorskip("PIL.Image")
    from PIL import Image

    for label in ("ape", "bear"):
        (photos / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (9, 9), (30 * number, 9, len(label))).save(
                photos / label / f"{number}.png"
            )

    terminal.refuses(
        ("submit", "--backbone", given, "--data", "photos", "--weights", "none"), words
    )


def test_without_torch_the_preparation_has_to_be_given(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess could change results."""
    monkeypatch.setattr(network_check, "has_torch", lambda: False)

    line = terminal.refuses(
        ("submit", "--backbone", "timm:resnet18", "--no-workers"),
        "how images are prepared for timm:resnet18",
    )

    assert "image_size, resize, interpolation, crop, mean and deviation" in line
