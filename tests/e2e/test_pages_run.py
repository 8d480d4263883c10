"""The command lines of the README, of docs/ and of the commands' examples, run on a real run.

Commands that can print JSON do so, and what they print is compared with docs/json.md.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import coloured_animals, json_page, page_lines
from support.command_lines import ROOT, parse
from support.harness import Lab
from support.page_lines import Names

from orchestrator import cli
from orchestrator.commands import reference_page
from orchestrator.terminal import options

pytestmark = [
    pytest.mark.whole,
    pytest.mark.long,
    pytest.mark.timeout(600),  # the first test waits for all lines
]

OF_LIBRARIES = "gmacs relative_cost resize interpolation crop mean deviation"
RARE = {
    "orch export model": {"formats.*.quantised", "formats.*.quantised.*"},
    "orch models NAME": set(OF_LIBRARIES.split()),
    "orch report": {"runs"},
    "orch submit": {"state", "failures", "failures[].*"},
}
"""Keys by section that no line of the pages which is run here brings about."""

ELSEWHERE = {
    "orch doctor": "tests/integration/test_not_queued.py",
    "orch export mlflow": "tests/integration/test_export.py",
    "orch report RUN RUN": "tests/unit/test_runs_compared.py",
}
"""Sections whose documents another test compares with the page."""

STUDY = {
    "name": "study",
    "data": "animals/",
    "backbone": "scratch,squeezenet",
    "image-size": "32",
    "weights": "none",
    "periods": "2",
    "epochs-per-period": "1",
}


@dataclass
class Ran:
    """What the lines printed: complaints by line, and JSON documents by command."""

    complaints: dict[str, str] = field(default_factory=dict)
    documents: dict[str, list[Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Ran]:
    """Every line that can be run, after a small study was trained."""
    for package in ("torch", "timm", "matplotlib", "scipy", "onnx", "mlflow", "tensorboard"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    folder = tmp_path_factory.mktemp("reader")
    weights = {"ORCH_WEIGHTS_DIR": str(folder / "weights")}
    lab = Lab(folder, f"{redis_url}?virtual_host=15", extra=weights)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        _furnish(folder)
        try:
            yield _all_lines(lab)
        finally:
            lab.close()


def _furnish(folder: Path) -> None:
    """The files that the pages' lines name."""
    images = coloured_animals.write(folder)
    for name in ("cat.jpg", "holidays/sea.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(images / "bear" / "000.png", folder / name)
    (folder / "study.yaml").write_text(
        "data: ./animals\nbackbones: [scratch, squeezenet]\nimage_size: 32\n"
    )
    rows = (
        f"{path.relative_to(images)},{path.parent.name},{path.stem}\n"
        for path in sorted(images.rglob("*.png"))
    )
    (folder / "labels.csv").write_text("path,label,patient\n" + "".join(rows))
    (folder / "scans").symlink_to(images)
    _pretrained(folder / "weights")


def _pretrained(folder: Path) -> None:
    """Random values under the name of pretrained ones."""
    import torch
    import torchvision

    folder.mkdir()
    torch.save(torchvision.models.squeezenet1_0().state_dict(), folder / "squeezenet1_0.pth")


def _all_lines(lab: Lab) -> Ran:
    lab.worker()
    printed = lab.orch("submit", *(f"--{key}={value}" for key, value in STUDY.items()), "--json")
    run = lab.store.load_run("study")
    lab.finished(run)
    (worker,) = (path.stem for path in (lab.store.root / "workers").glob("*.json"))
    ran = Ran(documents={"orch submit": [json.loads(printed)]})
    for words in page_lines.to_run(Names(run.name, run.tasks[1], worker, str(lab.store.root))):
        _run(words, ran)
    return ran


def _run(words: list[str], ran: Ran) -> None:
    """One line, with `--json` where the command has it."""
    command = parse(" ".join(["orch", *words]))
    as_json = "--csv" not in words and any("--json" in each.opts for each in command.params)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([*words, *(["--json"] if as_json else [])])
    line = f"orch {' '.join(words)}"
    if code != 0 and words[0] != "doctor":
        ran.complaints[line] = err.getvalue()[-1000:] or out.getvalue()[-1000:]
    elif as_json:
        section = json_page.section_of(words)
        ran.documents.setdefault(section, []).append(json.loads(out.getvalue()))


def test_every_line_of_the_pages_that_can_run_does(ran: Ran) -> None:
    """Otherwise mend the page, or say in `page_lines.NOT_RUN` why no test can run the line."""
    complaints = "\n".join(f"{line}: {why}" for line, why in ran.complaints.items())

    assert not complaints, complaints


def test_every_document_has_the_version_of_its_keys(ran: Ran) -> None:
    """One place adds it."""
    documents = [each for printed in ran.documents.values() for each in printed]

    assert len(documents) > 20
    assert {each["schema"] for each in documents} == {options.SCHEMA}


def test_every_command_with_json_is_run_and_documented(ran: Ran) -> None:
    """A new command gets an example, which is run here, and a section of docs/json.md."""
    sections = set(json_page.documented(json_page.PAGE.read_text()))
    with_json = {
        name
        for name, command in reference_page.all_commands()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    compared = {
        section
        for section, test in ELSEWHERE.items()
        if f'assert_documented("{section}"' in (ROOT / test).read_text()
    }

    assert with_json - sections == set(), "docs/json.md has no section of these"
    assert sections - {*ran.documents} == compared == {*ELSEWHERE}


def test_documents_have_the_keys_that_are_documented(ran: Ran) -> None:
    """Neither more nor fewer."""
    sections = json_page.documented(json_page.PAGE.read_text())
    every = {name: (printed, sections[name]) for name, printed in ran.documents.items()}
    unknown = {name: json_page.unknown(*each) for name, each in every.items()}
    unseen = {name: json_page.unseen(*each) - RARE.get(name, set()) for name, each in every.items()}

    assert {name: keys for name, keys in unknown.items() if keys} == {}
    assert {name: keys for name, keys in unseen.items() if keys} == {}
