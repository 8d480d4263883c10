"""What has not yet been run on a GPU is listed in one place, with one switch for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.errors import BadEnvironment
from jobs.install_hints import HOME
from models.runtime.untried import UNTRIED, enabled


@pytest.mark.parametrize("name", UNTRIED)
def test_a_variable_switches_each_on_and_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty counts as unset; any other value is refused."""
    feature = UNTRIED[name]
    found = []
    for value in ("", "0", "1"):
        monkeypatch.setenv(feature.variable, value)
        found.append(enabled(name))
    monkeypatch.setenv(feature.variable, "off")

    assert found == [feature.default, False, True]
    with pytest.raises(BadEnvironment, match=f"{feature.variable} is 'off'. It takes 0 or 1."):
        enabled(name)


def test_each_has_exactly_one_switch_in_the_code() -> None:
    """In the module of its name, or in the one that uses it."""
    sources = "\n".join(path.read_text() for path in (HOME / "models").rglob("*.py"))
    asked = re.findall(r'untried\.enabled\("(\w+)"\)', sources)

    assert sorted(asked) == sorted(UNTRIED)


def test_no_other_module_says_that_it_has_not_been_run_on_a_gpu() -> None:
    """The list is the only place."""
    folders = [HOME / name for name in ("models", "workers", "jobs", "orchestrator")]
    saying = [
        path.name
        for folder in folders
        for path in folder.rglob("*.py")
        if re.search(r"not\s+yet\s+(been\s+)?run\s+on\s+a\s+GPU", path.read_text())
    ]

    assert saying == ["untried.py"]


def test_the_documentation_shows_the_same_list() -> None:
    """docs/performance.md, row by row."""
    rows = [
        f"| {name} | `{each.variable}` | {'on' if each.default else 'off'} | {each.help} |"
        for name, each in UNTRIED.items()
    ]
    page = Path(HOME / "docs" / "performance.md").read_text()

    assert "\n".join(rows) in page


def test_images_are_streamed_when_the_cache_is_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever memory is free."""
    import numpy as np
    import torch

    from models.data.batches import Data

    pixels, labels = np.zeros((4, 2, 2, 3), np.uint8), np.zeros(4, np.int64)
    splits = {name: np.arange(4) for name in ("train", "validation", "test")}
    data = Data("d", ("a",), pixels, labels, tuple("abcd"), splits)
    cached = data.near(torch.device("cpu"), lambda device: 10**9)
    monkeypatch.setenv("ORCH_GPU_CACHE", "0")
    streamed = data.near(torch.device("cpu"), lambda device: 10**9)

    assert cached.resident is not None
    assert streamed.resident is None
