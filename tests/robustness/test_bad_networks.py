"""Networks that a run cannot be made of: exit code 2, one line, and nothing written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.refusals import Terminal

from jobs.catalog import library_preparations
from jobs.data import sources
from jobs.errors import BadSpec, UnknownBackbone
from jobs.spec import model
from jobs.spec.networks import STUDY, Network
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import network_check
from orchestrator.network_check import Asked
from orchestrator.submission.run_creation import create_run

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
    ("nets.py:pair", "nets.py:pair in evaluation gives tuple for two images"),
    ("nets.py:frozen", "nets.py:frozen gives scores without a gradient"),
    ("nets.py:rounded", "nets.py:rounded gives scores without a gradient"),
    ("nets.py:lazy", "whose size follows from the first images, such as LazyLinear"),
    ("nets.py:hollow", "nets.py:hollow is on torch's meta device"),
    ("nets.py:double", "values of type torch.float64; float32 is needed"),
    ("nets.py:single", "nets.py:single cannot be used: one image"),
    ("timm:resnet18", "networks of timm need timm. Install it with: "),
]
NETS = """
import os
import torch

class Changed(torch.nn.Module):
    def __init__(self, num_classes, change):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, num_classes)
        )
        self.change = change

    def forward(self, images):
        return self.change(self.body(images), self.training)

def pair(num_classes):
    return Changed(num_classes, lambda scores, train: scores if train else (scores, scores))

def frozen(num_classes):
    return Changed(num_classes, lambda scores, train: scores).requires_grad_(False)

def rounded(num_classes):
    return Changed(num_classes, lambda scores, train: scores.long())

def lazy(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))

def hollow(num_classes):
    return Changed(num_classes, lambda scores, train: scores).to("meta")

def double(num_classes):
    return Changed(num_classes, lambda scores, train: scores).double()

def single(num_classes):
    def change(scores, train):
        if len(scores) == 1:
            raise ValueError("one image")
        return scores
    return Changed(num_classes, change)

def ends(num_classes):
    os._exit(3)

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


def test_a_pipe_in_the_place_of_an_own_file_is_refused_unread(terminal: Terminal) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(terminal.folder / "pipe.py")

    terminal.refuses(("submit", "--backbone", "pipe.py:make"), "not a file")


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one checking process, in which timm is hidden, answers on all these networks."""
    pytest.importorskip("torchvision")
    folder = tmp_path_factory.mktemp("networks")
    (folder / "nets.py").write_text(NETS)
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['timm'] = None\n")
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    own = str(folder / "nets.py")
    asked = [
        Asked(name, {}, own if name.startswith("nets.py") else None, None, False, True)
        for name, _ in CHECKED
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        return network_check._ask(asked, 2, None)


@pytest.mark.parametrize(("given", "words"), CHECKED, ids=[given for given, _ in CHECKED])
def test_what_only_torch_can_check_is_refused_at_submit(
    given: str,
    words: str,
    terminal: Terminal,
    answer: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a short-lived process, before anything is written."""
    own = {"networks": {}, "refused": {given: answer["refused"][given]}}
    monkeypatch.setattr(network_check, "_ask", lambda *asked: own)
    monkeypatch.setattr(network_check, "_require_timm", lambda names: None)
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


def test_a_network_that_ends_the_checking_process_is_named(tmp_path: Path) -> None:
    """Its code may do anything, even end its process."""
    pytest.importorskip("torchvision")
    (tmp_path / "nets.py").write_text(NETS)
    asked = Asked("nets.py:ends", {}, str(tmp_path / "nets.py"), None, False, True)
    with pytest.raises(BadSpec, match=r"nets\.py:ends could not be checked: .* exit code 3"):
        network_check._ask([asked], 2, None)


def test_without_torch_the_preparation_of_an_unknown_network_has_to_be_given(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess could change results. A misspelt name is answered with the nearest."""
    monkeypatch.setattr(network_check, "has_torch", lambda: False)

    line = terminal.refuses(
        ("submit", "--backbone", "timm:resnett18", "--no-workers"),
        "how images are prepared for timm:resnett18",
    )

    assert "has none of that name; did you mean 'timm:resnet18'?" in line
    assert "image_size, resize, interpolation, crop, mean and deviation" in line


def test_without_torch_listed_networks_are_prepared_as_torch_says(
    animal_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is that of the installed libraries, which a note names."""
    pytest.importorskip("torchvision")
    timm = pytest.importorskip("timm")
    from models.networks import library_preparations as written

    names = ["torchvision:inception_v3", "timm:resnet10t", "timm:vit_tiny_patch16_224.augreg_in21k"]
    spec = model.build({"backbones": names, "data": str(animal_folder), "weights": "none"})
    natives = {name: Network(**(written.preparation_of(name) or {})) for name in names}
    monkeypatch.setattr(network_check, "has_torch", lambda: False)
    listed = network_check.resolve(spec, 3, None, local=False)
    sample = written.labels()[::40]

    assert listed == spec.with_native(natives)
    assert {n: library_preparations.known(n) for n in sample} == {
        n: written.preparation_of(n) for n in sample
    }
    assert library_preparations.versions()["timm"] == timm.__version__
    assert f"timm {timm.__version__}" in network_check.notes(listed)[0]


def test_without_torch_the_first_task_checks_a_network_whose_preparation_is_given(
    animal_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The submission records the run; preparing its data set says what is wrong."""
    pytest.importorskip("torchvision")
    pytest.importorskip("timm")
    from support.learning import Laboratory

    monkeypatch.setattr(network_check, "has_torch", lambda: False)
    asked = {"backbones": "timm:resnett18", "data": str(animal_folder), "weights": "none"}
    spec = network_check.resolve(model.build(asked | STUDY.model_dump()), 3, None, local=True)
    store = Store(tmp_path / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    with pytest.raises(UnknownBackbone, match="Did you mean 'timm:resnet18'"):
        Laboratory(store, run.data).do(Task("prepare", run.data))
