"""The notebook of the examples: run from its first cell to its last, and kept with its outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.command_lines import ROOT

from jobs.errors import MissingExtra
from orchestrator import cli
from orchestrator.local import embedded_redis

pytestmark = [pytest.mark.whole, pytest.mark.long]

PATH = ROOT / "examples" / "notebook.ipynb"


def outputs(notebook: Any) -> list[set[str]]:
    """For each cell with code the kinds of its outputs."""
    return [
        {kind for each in cell.outputs for kind in (each.get("data") or {each.name: ""})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def texts(notebook: Any) -> str:
    """What the cells printed and returned, as text."""
    every = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    return "\n".join(each.get("text") or each["data"]["text/plain"] for each in every)


def test_the_notebook_runs_and_is_kept_with_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one worker; the numbers may differ in their last digits between machines."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (extra 'dev')")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra 'dev')")
    config = pytest.importorskip("traitlets.config")
    for package in ("torch", "matplotlib", "ipykernel"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    try:
        embedded_redis.binary()
    except MissingExtra as error:
        pytest.skip(str(error))
    for variable in ("ORCH_STORE", "ORCH_BROKER_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)  # where the sockets of the kernel are made, too
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    kept, notebook = nbformat.read(PATH, 4), nbformat.read(PATH, 4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = first.source.replace("store=", "workers=1, store=")
    client = nbclient.NotebookClient(
        notebook,
        timeout=240,
        config=config.Config({"KernelManager": {"transport": "ipc"}}),
    )
    try:
        client.execute()
    finally:
        cli.run(["--store", str(tmp_path / "notebook-store"), "down"])

    assert "workers=1" in first.source
    pairs = zip(outputs(kept), outputs(notebook), strict=True)
    assert all(stored and stored <= shown for stored, shown in pairs)
    assert "'done'" in texts(notebook)
    assert "'it is 7, the network says 7'" in texts(notebook)
    assert (tmp_path / "notebook-report" / "report.html").is_file()
