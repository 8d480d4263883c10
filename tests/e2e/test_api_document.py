"""The lines of docs/api.md, run as they stand, with a real Redis and a real worker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command_lines import ROOT, fenced

from jobs.errors import MissingExtra
from orchestrator import cli
from orchestrator.local import embedded_redis

pytestmark = [pytest.mark.whole, pytest.mark.long]


def test_the_lines_of_the_document_submit_wait_report_and_answer(
    animal_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From a folder of images to the class of another one."""
    pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    try:
        embedded_redis.binary()
    except MissingExtra as error:
        pytest.skip(str(error))
    for variable in ("ORCH_STORE", "ORCH_BROKER_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(animal_folder, tmp_path / "next-year")
    shutil.copy(animal_folder / "bear" / "000.png", tmp_path / "cat.jpg")
    lines, _ = fenced(ROOT / "docs" / "api.md", "python")
    names: dict[str, Any] = {}
    try:
        lines = lines.replace('store="my-store"', 'store="my-store", workers=1')
        exec(lines.replace('"next-year/"', '"next-year/", workers=1'), names)
    finally:
        cli.run(["--store", "my-store", "down"])

    assert names["epochs"].num_rows == 2
    assert names["later"].results("other_evaluations").num_rows == 1
    assert (tmp_path / "comparison" / "figures" / "other-data-1.svg").exists()
    assert names["page"] == tmp_path / "comparison" / "report.html"
    assert names["label"] in ("ape", "bear", "cat")
    assert names["scores"].shape == (1, 3)
    assert f"{names['run'].name} done" in capsys.readouterr().out
