"""A working folder with good and bad data, and good and bad specs."""

from __future__ import annotations

from pathlib import Path

import pytest

SPECS = {
    "not-yaml.yaml": "periods: [1, 2",
    "unknown-key.yaml": "backbones: all\nperiod: 3\n",
    "list.yaml": "- resnet34\n",
    "words.yaml": "backbones: all\nperiods: many\n",
    "maybe.yaml": "all_backbones: perhaps\n",
    "split.yaml": "backbones: all\nsplit: [50, 50, 0]\n",
    "number.yaml": "backbones: 7\n",
    "good.yaml": "backbones: [scratch]\n",
}


def lay_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with good and bad data, good and bad specs, and no store; work in it."""
    for path in (
        "animals/a/1.png",
        "animals/b/1.png",
        "one-class/a/1.png",
        "empty-class/a/1.png",
        "file",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(path.encode())
    for path in ("empty-class/b", "empty", "other-store"):
        (folder / path).mkdir()
    (folder / "other-store" / "store.json").write_text('{"format": 99}')
    for name, text in SPECS.items():
        (folder / name).write_text(text)
    for variable in ("ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(folder)
    return folder
