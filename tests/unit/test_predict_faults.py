"""What can be answered is answered; every image and network that cannot is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from support.learning import Laboratory  # noqa: E402

from jobs import plan  # noqa: E402
from jobs.spec.model import Spec  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from orchestrator import cli  # noqa: E402


def study(root: Path, photographs: Path) -> tuple[Laboratory, Run]:
    """Two small networks, trained and evaluated."""
    laboratory = Laboratory.of(root / "store", photographs, image_size=32)
    laboratory.prepare()
    spec = Spec(
        data=str(photographs), backbones=("scratch", "squeezenet"), periods=1, epochs_per_period=1,
        weights="none", image_size=32, batch_size=8, precision="fp32", name="study",
    )  # fmt: skip
    unfolded = plan.unfold(spec, laboratory.data)
    for trial in unfolded.trials:
        laboratory.store.save_trial(trial, [1], "study")
        laboratory.train(trial.name, 1)
        laboratory.evaluate(trial.name, 1)
    trials = tuple(trial.name for trial in unfolded.trials)
    tasks = tuple(task.id for task in unfolded.tasks)
    run = Run("study", spec, laboratory.data, trials, tasks, 0.0, {})
    laboratory.store.save_run(run)
    return laboratory, run


@pytest.fixture
def colours(tmp_path: Path, animal_folder: Path) -> tuple[Laboratory, Run, Path]:
    """A study of ordinary photographs, and the folder of them."""
    return *study(tmp_path, animal_folder), animal_folder


@pytest.fixture
def deep(tmp_path: Path) -> tuple[Laboratory, Run, Path]:
    """A study of images with 12 bits in 16."""
    rng, folder = np.random.default_rng(0), tmp_path / "deep"
    for top, label in ((4095, "bright"), (900, "dark")):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            values = (rng.random((40, 40)) * top).astype(np.uint16)
            values[0, 0] = top
            Image.fromarray(values).save(folder / label / f"{number}.png")
    return *study(tmp_path, folder), folder


def told(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, dict[str, object], str]:
    """Exit code, JSON document and stderr of a prediction."""
    code = cli.run(["--store", str(laboratory.store.root), "predict", *words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_missing_and_foreign_files_are_named_and_the_others_answered(
    colours: tuple[Laboratory, Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; HEIC and a folder without files are named as what they are."""
    laboratory, _, folder = colours
    heic = tmp_path / "p.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    (tmp_path / "empty").mkdir()
    whole = str(folder / "ape" / "000.png")

    code, found, errors = told(
        laboratory, capsys, whole, str(heic), str(tmp_path / "gone.jpg"), str(tmp_path / "empty")
    )

    assert code == 1
    assert [each["image"] for each in found["images"]] == [whole]  # type: ignore[index,attr-defined]
    assert len(found["broken"]) == 3  # type: ignore[arg-type]
    for part in ("HEIC", "gone.jpg does not exist", "empty holds no file"):
        assert part in errors


def test_a_damaged_network_is_named_and_the_others_answer(
    colours: tuple[Laboratory, Run, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Only when no network is left, nothing is answered."""
    laboratory, run, folder = colours
    paths = [
        path
        for name in run.trials
        for path in (laboratory.store.trial_folder(name) / "checkpoints").glob("*.pt")
    ]
    image = str(folder / "ape" / "000.png")
    paths[0].write_bytes(b"damaged")

    code, found, errors = told(laboratory, capsys, image)

    assert code == 1
    assert len(found["images"][0]["answers"]) == 1  # type: ignore[index]
    assert list(found["faults"]) == [run.trials[0]]  # type: ignore[call-overload]
    assert "is damaged" in errors
    paths[1].unlink()
    assert cli.run(["--store", str(laboratory.store.root), "predict", image]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("contents", [b"", b"PAR1 and nothing more"])
def test_a_damaged_manifest_is_named(
    contents: bytes, colours: tuple[Laboratory, Run, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It only says which images the networks know already."""
    laboratory, run, folder = colours
    (laboratory.store.data_folder(run.data) / "manifest.parquet").write_bytes(contents)

    code, found, errors = told(laboratory, capsys, str(folder / "ape" / "000.png"))

    assert code == 1
    assert "manifest.parquet is damaged" in errors
    assert len(found["images"][0]["answers"]) == 2  # type: ignore[index]
    assert found["images"][0]["known"] is None  # type: ignore[index]


def test_images_beyond_8_bits_are_shown_as_the_data_set_was(
    deep: tuple[Laboratory, Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The range of the data set, not one of the image: equal values get equal answers."""
    laboratory, _, folder = deep
    values = np.asarray(Image.open(folder / "dark" / "0.png"))
    Image.fromarray(values.astype(np.int32)).save(tmp_path / "same.tif")

    code, found, _ = told(
        laboratory, capsys, str(folder / "dark" / "0.png"), str(tmp_path / "same.tif")
    )
    first, second = found["images"]  # type: ignore[misc]

    assert code == 0
    assert first["known"]["label"] == "dark"
    assert second["answers"] == first["answers"]


def test_a_range_that_is_not_known_is_asked_for(
    colours: tuple[Laboratory, Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Networks of 8-bit photographs cannot tell how bright 12 bits are; the user can."""
    laboratory, _, folder = colours
    grey = np.asarray(Image.open(folder / "ape" / "000.png").convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "deep.png")
    Image.fromarray(grey).save(tmp_path / "plain.png")
    both = [str(tmp_path / "plain.png"), str(tmp_path / "deep.png")]

    code, found, errors = told(laboratory, capsys, *both)
    assert code == 1
    assert "16-bit unsigned integers" in errors
    assert "--value-range" in errors
    assert len(found["images"]) == 1  # type: ignore[arg-type]

    code, found, _ = told(laboratory, capsys, *both, "--value-range", "0,4080")
    plain, given = found["images"]  # type: ignore[misc]
    assert code == 0
    assert given["answers"] == plain["answers"]


def test_a_run_in_the_place_of_an_image_is_refused(
    colours: tuple[Laboratory, Run, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The images would be classified by the latest run instead."""
    laboratory, run, photographs = colours
    image = str(photographs / "ape" / "000.png")
    code = cli.run(["--store", str(laboratory.store.root), "predict", run.name, image])
    said = capsys.readouterr()

    assert code == 2
    assert f"--run {run.name}" in said.err
    assert not said.out
