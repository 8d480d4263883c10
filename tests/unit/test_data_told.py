"""The report and the commands tell what was done to the images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from PIL import Image  # noqa: E402

from jobs.store import tables  # noqa: E402
from jobs.store.records import TaskResult  # noqa: E402
from orchestrator import cli  # noqa: E402
from orchestrator.commands import submit  # noqa: E402
from orchestrator.report.sections import data_values  # noqa: E402


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Two classes of ten images each, 12 bits in 16; the last of each is dark."""
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "deep" / label).mkdir(parents=True)
        for number in range(10):
            values = rng.random((20, 20)) * (4095 if number < 9 else 90)
            image = Image.fromarray(values.astype(np.uint16))
            image.save(tmp_path / "deep" / label / f"{number}.png")
    return tmp_path / "deep"


def test_preparing_takes_a_split_and_tells_the_range(
    deep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The split of the manifest is the one asked for; the dark images are named."""
    store = str(tmp_path / "store")
    words = ["--store", store, "data", "prepare", str(deep), "--image-size", "16"]

    assert cli.run([*words, "--split", "40,30,30", "--split-seed", "7", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    path = Path(store) / "data" / told["data"] / "manifest.parquet"
    splits = tables.read_table(path, tables.MANIFEST)["split"].to_pylist()

    assert [splits.count(name) for name in ("train", "validation", "test")] == [8, 6, 6]
    assert told["value_range"]["files"] == 20
    assert told["low_contrast"] == ["a/9.png", "b/9.png"]
    assert cli.run([*words, "--split", "60,30"]) == 2
    assert cli.run([*words, "--split", "60,30,x"]) == 2


def test_the_report_has_rows_for_it_only_where_there_is_something() -> None:
    """A set of 8 bits has the rows it always had."""
    used = {"setting": "auto", "low": 0.0, "high": 4094.0, "files": 20}
    prepared = TaskResult(value_range=used, low_contrast=("a/9.png", "b/9.png"))
    rows = dict(data_values.rows(prepared))

    assert data_values.rows(TaskResult(low_contrast=())) == []
    assert rows == {
        "Values beyond 8 bits": "0 (black) to 4094 (white), found in 20 files",
        "Low contrast": "2 images under a tenth of the range: a/9.png, b/9.png",
    }


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        (None, None, True),
        ("digits", None, False),
        (None, "backbones: all\n", True),
        (None, "data: digits\nbackbones: all\n", False),
    ],
)
def test_training_on_digits_unasked_is_said(
    option: str | None, text: str | None, said: bool, tmp_path: Path
) -> None:
    """Whoever forgets `--data` learns it at once."""
    spec_file = None
    if text is not None:
        spec_file = tmp_path / "spec.yaml"
        spec_file.write_text(text)

    lines = submit._of_default_data(spec_file, {"data": option})

    assert bool(lines) is said
    assert all("built-in digits" in line for line in lines)
