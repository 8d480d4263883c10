"""Sets of labels of unusual sizes and names, each from inspecting to the report."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL", reason="Pillow is not installed (extra 'worker')")
pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import pyarrow.parquet as pq  # noqa: E402

from jobs.data import image_folder  # noqa: E402
from jobs.settings import Settings  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.model import DataSettings  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from jobs.task import Task, TaskRequest  # noqa: E402
from models import entrypoint  # noqa: E402
from orchestrator import cli, preflight  # noqa: E402
from orchestrator.report import write  # noqa: E402
from orchestrator.submission import run_creation  # noqa: E402

SIDE = 10
LIKE_NUMBERS = (
    "01", "1", "1.0", "1e3", "-0", "true", "True", "false", "null", "None", "NaN", "nan", "N/A",
    "2026-11-28", "12:30", "0x1F", "=1+1", "inf", "yes", "no",
)  # fmt: skip
"""Values that programs like to take for something else than text."""


@dataclass(frozen=True)
class Journey:
    """What came out on the way: of inspecting, of preparing, and in the report."""

    inspected: dict[str, Any]
    manifest: list[dict[str, Any]]
    report: dict[str, Any]
    page: str

    def counted(self) -> dict[str, Counter[str]]:
        """Prepared images of each class by split."""
        counts: dict[str, Counter[str]] = {}
        for row in self.manifest:
            counts.setdefault(row["label"], Counter())[row["split"]] += 1
        return counts


def paint(file: Path, number: int) -> None:
    """A small image unlike that of any other number."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).bytes(SIDE * SIDE * 3)
    file.write_bytes(b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels)


def class_folders(where: Path, counts: Iterable[tuple[str, int]]) -> Path:
    """A folder of class folders with so many images each."""
    number = 0
    for label, images in counts:
        for _ in range(images):
            number += 1
            paint(where / label / f"{number}.ppm", number)
    return where


def travel(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], **asked: Any
) -> Journey:
    """Inspect, submit, prepare, train, evaluate and report, in this process."""
    assert cli.run(["data", "inspect", str(place), "--json"]) == 0
    inspected = json.loads(capsys.readouterr().out)
    spec = model.build(
        {
            "data": str(place), "backbones": ["scratch"], "weights": "none", "image_size": 32,
            "periods": 1, "epochs_per_period": 1, "batch_size": 64, "precision": "fp32",
        } | asked
    )  # fmt: skip
    settings = Settings(tmp_path / "store", "redis://nowhere", None)
    request = preflight.check_request(spec, settings, lambda url: None, lambda names, place: None)
    store = Store(tmp_path / "store").open(create=True)
    run = run_creation.create_run(store, request.spec, request.source, {"host": "here"})
    for task in map(Task.parse, run.tasks):
        work = store.attempts_folder(task) / "0001"
        work.mkdir(parents=True)
        order = TaskRequest(task.id, str(store.root), "1", str(work), 1, "cpu", 1, None)
        outcome = entrypoint.main(order.as_dict(), lambda told: None, lambda: False)
        store.publish_result(task, outcome, work, lambda: True)
    page = write.write_report(store, run, tmp_path / "report")
    rows = pq.read_table(store.data_folder(run.data) / "manifest.parquet").to_pylist()
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    return Journey(inspected, rows, report, page.read_text())


def test_five_images_or_one_beside_five_hundred_are_split_tested_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each class meets its shares. One image is trained on; that it is not tested is told."""
    folder = class_folders(tmp_path / "data", (("common", 500), ("one", 1), ("rare", 5)))
    journey = travel(folder, tmp_path, capsys, class_weights="balanced")
    counts = journey.counted()
    by_label = {each["label"]: each for each in journey.report["classes"]["scratch"]}

    assert journey.inspected["classes"] == {"common": 500, "one": 1, "rare": 5}
    assert journey.inspected["no_test_image"] == ["one"]
    assert any("one" in note for note in journey.inspected["notes"])
    assert counts["common"] == {"train": 350, "validation": 50, "test": 100}
    assert counts["one"] == {"train": 1}
    assert sum(counts["rare"].values()) == 5
    assert min(counts["rare"].get(split, 0) for split in ("train", "test")) >= 1
    assert [by_label[label]["images"] for label in ("common", "rare")] == [
        100,
        counts["rare"]["test"],
    ]
    assert by_label.get("one", {"recall": None})["recall"] is None
    assert "always predicting common" in journey.page


@pytest.mark.long
def test_a_thousand_classes_of_three_images_are_carried_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every class has an image in each part, and the report stays of a size that opens."""
    names = [f"class {number:04d}" for number in range(1000)]
    folder = class_folders(tmp_path / "data", ((name, 3) for name in names))
    journey = travel(folder, tmp_path, capsys)

    assert list(journey.inspected["classes"]) == names
    assert set(journey.counted()) == set(names)
    assert {tuple(sorted(c.items())) for c in journey.counted().values()} == {
        (("test", 1), ("train", 1), ("validation", 1))
    }
    assert len(journey.report["classes"]["scratch"]) == 1000
    assert journey.report["standings"][0]["accuracy"]["mean"] is not None
    assert "The 100 smallest and the 100 largest classes of 1,000" in journey.page
    assert len(journey.page) < 5_000_000


def test_labels_that_look_like_values_stay_the_names_of_their_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers, dates, truth and nothing: in a CSV, and as folders, which make the same data set."""
    names = [name.replace("/", "-") for name in LIKE_NUMBERS]
    folder = class_folders(tmp_path / "data", ((name, 5) for name in names))
    rows = [(file.relative_to(folder), file.parent.name) for file in folder.rglob("*.ppm")]
    with (folder / "labels.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("path", "label"), *rows])
    journey = travel(folder / "labels.csv", tmp_path, capsys)
    of_folders = image_folder.read_folder(folder)
    reported = [each["label"] for each in journey.report["classes"]["scratch"]]

    assert journey.inspected["classes"] == dict.fromkeys(sorted(names), 5)
    assert of_folders.classes == tuple(sorted(names))
    assert of_folders.data_id(DataSettings(image_size=32)) == journey.report["run"]["data"]
    assert sorted(journey.counted()) == sorted(names)
    assert reported == sorted(names)
    assert journey.report["confusion"][0]["classes"] == sorted(names)
    assert all(sum(counts.values()) == 5 for counts in journey.counted().values())
