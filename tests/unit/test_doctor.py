"""What `orch doctor` reports about pretrained weights. torch is not imported by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.state_files import put_weights

from jobs.catalog.backbones import CATALOG
from jobs.settings import Settings
from orchestrator import network_check
from orchestrator.doctor import checks, extras, weights

FILES = {entry.weights_file for entry in CATALOG.values() if entry.weights_file}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_weights_in_the_folder_and_in_torchs_cache_both_count(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `orch submit` would look for them; each missing file is listed once."""
    given = tmp_path / "weights"
    given.mkdir()
    put_weights(given / "resnet34.pth")
    put_weights(cache / str(CATALOG["vgg16"].weights_url_file))
    monkeypatch.setattr(network_check, "unsound_weights", lambda names, folder: {})
    found, *absent = weights.weights(Settings(tmp_path, None, given))

    assert found.state == "ok"
    assert "resnet34.pth" in found.found
    assert "vgg16.pth" in found.found
    assert str(cache) in found.found
    assert {finding.state for finding in absent} == {"missing"}
    assert sorted(finding.found.split()[0] for finding in absent) == sorted(
        FILES - {"resnet34.pth", "vgg16.pth"}
    )


def test_weights_that_are_not_what_their_name_says_are_broken(cache: Path, tmp_path: Path) -> None:
    """Listed once, although two backbones start from it, with the reason; the others are listed
    too. A short-lived process with torch reads them.
    """
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    import torch

    given = tmp_path / "weights"
    given.mkdir()
    state = torchvision.models.squeezenet1_0().state_dict()
    torch.save(state, given / "squeezenet1_0.pth")
    put_weights(given / "resnet34.pth")
    found, broken, *absent = weights.weights(Settings(tmp_path, None, given))

    assert found.found == f"{given}: squeezenet1_0.pth"
    assert (broken.state, broken.remedy) == ("broken", "replace or remove it")
    assert broken.found.startswith(
        f"{given}/resnet34.pth is not a weights file that torch can read"
    )
    assert {finding.state for finding in absent} == {"missing"}


@pytest.mark.parametrize(("at_start", "state"), [("", "ok"), ("os._exit(0)", "broken")])
def test_a_check_of_weights_is_heard_or_one_line_of_the_report(
    at_start: str, state: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the buffers that Python has by default; and where the process ends without a word."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    import torch

    (tmp_path / "sitecustomize.py").write_text(f"import os\n{at_start}\n")
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, paths)]))
    state_dict = torchvision.models.squeezenet1_0().state_dict()
    torch.save(state_dict, tmp_path / "squeezenet1_0.pth")

    first, *_ = weights.weights(Settings(tmp_path, None, tmp_path))

    assert (first.subject, first.state) == ("weights", state)


def test_weights_of_other_networks_are_listed(cache: Path, tmp_path: Path) -> None:
    """Those of timm and torchvision, wherever `orch submit` would take them from."""
    given = tmp_path / "weights"
    places = ("timm/vit_tiny.pth", "timm/notes.txt", "torchvision/regnet.safetensors", "swin_t.pth")
    for place in places:
        (given / place).parent.mkdir(parents=True, exist_ok=True)
        (given / place).touch()

    _, *others = weights.weights(Settings(tmp_path, None, given))
    told = {each.subject: each.found for each in others}

    assert {each.state for each in others} == {"ok"}
    assert "1 file(s)" in told["weights for timm:NAME"]
    assert "vit_tiny.pth" in told["weights for timm:NAME"]
    assert "regnet.safetensors, swin_t.pth" in told["weights for torchvision:NAME"]


def test_what_an_extra_that_is_not_installed_is_for_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is wrong about it: most need only some of them."""
    absent = {"tensorboard", "alembic"}
    versions = extras.version_of
    monkeypatch.setattr(
        extras, "version_of", lambda name: None if name in absent else versions(name) or "1"
    )

    told = {each.subject: each for each in extras.packages()}
    other = told["packages for 'tensorboard'"]
    partly = told["packages for 'mlflow'"]

    assert (other.state, partly.state) == ("optional", "optional")
    assert other.found == "tensorboard not installed. It is for 'orch export tensorboard'"
    assert partly.found.startswith("alembic not installed; mlflow-skinny")
    assert "pip install" in other.remedy
    assert told["packages for 'flower'"].state == "ok"


def test_without_any_weights_it_says_what_to_set(cache: Path, tmp_path: Path) -> None:
    """They may not be needed, so nothing is broken."""
    (finding,) = weights.weights(Settings(tmp_path, None, None))

    assert finding.state == "missing"
    assert "export ORCH_WEIGHTS_DIR" in finding.remedy
    assert all(name in finding.remedy for name in FILES)


@pytest.mark.parametrize(
    "module",
    [
        "orchestrator.doctor.checks",
        "orchestrator.commands.submit",
        "orchestrator.submission.run_creation",
    ],
)
def test_looking_for_weights_needs_no_torch(module: str) -> None:
    """A machine that only submits has none."""
    program = (
        f"import sys, importlib; importlib.import_module({module!r}); from models.networks import "
        "weights; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "False\n", done.stderr


def test_runs_whose_record_is_damaged_are_named(tmp_path: Path) -> None:
    """A store that does not exist yet has no damaged runs."""
    (tmp_path / "store" / "runs" / "big").mkdir(parents=True)
    (tmp_path / "store" / "runs" / "big" / "run.json").write_text('{"name": "big", ')
    none, (found,) = (
        checks._runs(Settings(tmp_path / name, None, None)) for name in ("nowhere", "store")
    )

    assert none == []
    assert (found.state, found.found) == ("broken", "damaged: big")


@pytest.mark.parametrize(
    ("torch", "found"),
    [
        (
            "raise OSError('libcudart.so.12: cannot open shared object file')",
            "OSError: libcudart.so.12: cannot open",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "the process died (exit code -11)",
        ),
    ],
)
def test_a_torch_that_is_installed_but_cannot_be_loaded_is_broken(
    torch: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message includes its output, or says that there was none."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    (tmp_path / "torch.py").write_text(torch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (finding,) = checks._loading()

    assert finding.state == "broken"
    assert found in finding.found
    assert "pip install" in finding.remedy
