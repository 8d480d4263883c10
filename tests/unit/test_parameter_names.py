"""Errors name options on the command line, and parameters in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes import fill_store

import orchestrator
from jobs.errors import RequestError
from orchestrator import cli
from orchestrator.parameter_names import with_parameters


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("--max-size: '3' has no unit.", "max_size: '3' has no unit."),
        ("--runtime: unknown runtime.", "runtimes: unknown runtime."),
        ("Give --seed: 0, 1.", "Give seed: 0, 1."),
        ("as --setting ema=0.9. Or", 'as setting={"ema": 0.9}. Or'),
        ("(or give --no-workers and wait)", "(or give workers=0 and wait)"),
        ("See 'orch models --json' or --seed 1", "See 'orch models --json' or seed 1"),
        ("Resume it with: orch resume a --seed 1", "Resume it with: orch resume a --seed 1"),
        ("--images: of another program", "--images: of another program"),
    ],
)  # fmt: skip
def test_options_become_parameters(message: str, told: str) -> None:
    """But what is to be typed in a shell stays, and what is no parameter."""
    assert with_parameters(message, {"max_size", "runtimes", "seed", "setting"}) == told


def test_python_and_the_command_line_each_get_their_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same mistakes through both doors; nothing is written."""
    store, _ = fill_store(tmp_path, backbones=["scratch"], pixels=False, name="study")
    handle = orchestrator.open_store(store.root).run("study")
    words = ["--store", str(store.root)]
    model = ["export", "model", "study", "--backbone", "scratch", "--seed", "7"]
    codes = [cli.run([*words, *each]) for each in (["bench", "--threads", "0"], model)]
    errors = capsys.readouterr().err.splitlines()

    assert codes == [2, 2]
    assert errors[0].startswith("error: --threads 0: from 1 to ")
    assert errors[1].startswith("error: --seed 7: scratch was trained")
    with pytest.raises(RequestError, match=r"^threads 0: from 1 to "):
        handle.bench(threads=0)
    with pytest.raises(RequestError, match=r"^seed 7: scratch was trained"):
        handle.export("scratch", seed=7)
    with pytest.raises(RequestError, match=r"^workers -1: a whole number from 0 to 256"):
        orchestrator.submit(store=store.root, backbones=["scratch"], workers=-1)
    with pytest.raises(RequestError, match=r"Give backbones='all', or backbones NAME"):
        orchestrator.submit(store=store.root)
    assert store.run_names() == ["study"]
