"""Every trained network predicts new images, exactly as its own evaluation would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory  # noqa: E402

from jobs import plan  # noqa: E402
from jobs.data import image_paths  # noqa: E402
from jobs.errors import BadCheckpoint, BadFolder, BadSpec, OrchError, RequestError  # noqa: E402
from jobs.spec.model import Spec  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.evaluation.predict import predict  # noqa: E402
from orchestrator import cli  # noqa: E402
from orchestrator.analysis import trained_models  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Resets torch to one thread, whatever a trial used."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten small noisy images each."""
    import numpy as np
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("data") / "animals", np.random.default_rng(1)
    for label in ("ape", "bear", "cat"):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 255, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def finished(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Laboratory, Run]:
    """Two small networks of two seeds each, trained for two periods and evaluated."""
    laboratory = Laboratory.of(
        tmp_path_factory.mktemp("finished") / "store", photographs, image_size=32
    )
    laboratory.prepare()
    spec = Spec(
        data=str(photographs),
        backbones=("scratch", "squeezenet"),
        periods=2,
        epochs_per_period=1,
        seeds=2,
        weights="none",
        image_size=32,
        batch_size=8,
        precision="fp32",
        name="study",
    )
    unfolded = plan.unfold(spec, laboratory.data)
    for trial in unfolded.trials:
        laboratory.store.save_trial(trial, [1, 2], "study")
        for epoch in (1, 2):
            laboratory.train(trial.name, epoch)
            laboratory.evaluate(trial.name, epoch)
    run = Run(
        "study",
        spec,
        laboratory.data,
        tuple(trial.name for trial in unfolded.trials),
        tuple(task.id for task in unfolded.tasks),
        0.0,
        {},
    )
    laboratory.store.save_run(run)
    return laboratory, run


@pytest.fixture
def study(finished: tuple[Laboratory, Run], tmp_path: Path) -> tuple[Laboratory, Run]:
    """The finished study in a separate store."""
    laboratory, run = finished
    shutil.copytree(laboratory.store.root, tmp_path / "store")
    return Laboratory(Store(tmp_path / "store"), laboratory.data), run


def test_an_answer_is_the_one_that_the_evaluation_gave(
    study: tuple[Laboratory, Run], photographs: Path
) -> None:
    """A test image given as a file has the class and confidence of its row, averaged over seeds."""
    laboratory, run = study
    rows = tables.read_rows(laboratory.store.root, "predictions", run.trials).to_pylist()
    names = sorted({row["image"] for row in rows})
    chosen = trained_models.choose_models(laboratory.store, run, 1)

    found = predict(
        laboratory.store, run.data, chosen.trials, [photographs / name for name in names], "cpu"
    )

    for name, each in zip(names, found, strict=True):
        assert each.known is not None
        assert (each.known.label, each.known.split) == (name.split("/")[0], "test")
        for answer in each.answers:
            mine = [
                r
                for r in rows
                if (r["image"], r["epoch"], r["backbone"]) == (name, 1, answer.backbone)
            ]
            of_label = {choice.label: choice.confidence for choice in answer.top}
            mean = sum(row["label_confidence"] for row in mine) / len(mine)
            assert len(mine) == 2
            assert len(of_label) == 3
            assert of_label[mine[0]["label"]] == pytest.approx(mean, abs=1e-5)
            assert sum(of_label.values()) == pytest.approx(1, abs=1e-5)
            assert [c.confidence for c in answer.top] == sorted(of_label.values(), reverse=True)


def test_the_command_answers_the_whole_images_and_names_the_broken_one(
    study: tuple[Laboratory, Run],
    photographs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1, the broken file on stderr, the others in one JSON document with every backbone
    and three classes.
    """
    laboratory, _ = study
    folder = tmp_path / "new"
    folder.mkdir()
    shutil.copy(photographs / "ape" / "000.png", folder / "a.png")
    (folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    shutil.copy(photographs / "bear" / "000.png", folder / "c.png")

    code = cli.run(["--store", str(laboratory.store.root), "predict", str(folder), "--json"])
    said = capsys.readouterr()
    told = json.loads(said.out)

    assert code == 1
    assert "no prediction for" in said.err
    assert "b.png: " in said.err
    assert [Path(each["image"]).name for each in told["images"]] == ["a.png", "c.png"]
    assert [Path(each["image"]).name for each in told["broken"]] == ["b.png"]
    assert [a["backbone"] for a in told["images"][0]["answers"]] == ["scratch", "squeezenet"]
    assert {len(entries) for entries in told["backbones"].values()} == {2}
    assert {entry["epoch"] for entries in told["backbones"].values() for entry in entries} == {2}


def test_the_table_shows_every_backbone_and_whose_image_it_is(
    study: tuple[Laboratory, Run], photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One table per image; an image of the data set is shown with its class."""
    laboratory, _ = study

    code = cli.run(
        [
            "--store",
            str(laboratory.store.root),
            "predict",
            str(photographs / "ape" / "000.png"),
            "--run",
            "study",
            "--period",
            "1",
        ]
    )
    said = capsys.readouterr().out

    assert code == 0
    assert "one of the run's" in " ".join(said.split())
    assert "scratch" in said
    assert "squeezenet" in said
    assert "2 seeds" in said


def test_a_rotten_checkpoint_gives_no_answer(
    study: tuple[Laboratory, Run], photographs: Path
) -> None:
    """Neither a changed nor a missing checkpoint is ignored."""
    laboratory, run = study
    chosen = trained_models.choose_models(laboratory.store, run, None)
    outcome = laboratory.store.done(chosen.trials["scratch"][0])
    assert outcome is not None
    path = laboratory.store.root / str(outcome.checkpoint)
    path.write_bytes(path.read_bytes()[:-10] + b"0123456789")
    image = [photographs / "ape" / "000.png"]

    with pytest.raises(BadCheckpoint, match="is damaged"):
        predict(laboratory.store, run.data, chosen.trials, image, "cpu")
    path.unlink()
    with pytest.raises(BadCheckpoint, match="is missing"):
        predict(laboratory.store, run.data, chosen.trials, image, "cpu")


def test_a_trial_speaks_from_its_newest_evaluated_mark(study: tuple[Laboratory, Run]) -> None:
    """A target epoch that is trained but not evaluated does not count; a trial without any is
    listed.
    """
    laboratory, run = study
    store, first, second = laboratory.store, run.trials[0], run.trials[1]
    store.done_path(Task("evaluate", first, 2)).unlink()
    for epoch in (1, 2):
        store.done_path(Task("evaluate", second, epoch)).unlink()

    chosen = trained_models.choose_models(store, run, None)

    assert {task.subject: task.epoch for tasks in chosen.trials.values() for task in tasks} == {
        first: 1,
        run.trials[2]: 2,
        run.trials[3]: 2,
    }
    assert chosen.absent == (second,)
    with pytest.raises(RequestError, match="has periods 1 to 2"):
        trained_models.choose_models(store, run, 3)
    for name in run.trials:
        store.done_path(Task("evaluate", name, 2)).unlink(missing_ok=True)
    with pytest.raises(OrchError, match="not evaluated period 2 yet"):
        trained_models.choose_models(store, run, 2)


def test_only_broken_images_are_no_fault_of_the_networks(
    study: tuple[Laboratory, Run], tmp_path: Path
) -> None:
    """Nothing is predicted; each is named."""
    laboratory, run = study
    (tmp_path / "x.png").write_bytes(b"no image")

    (found,) = predict(
        laboratory.store,
        run.data,
        trained_models.choose_models(laboratory.store, run, None).trials,
        [tmp_path / "x.png"],
        "cpu",
    )

    assert found.broken == "not an image"
    assert found.answers == ()


def test_a_device_that_is_not_there_is_refused(
    study: tuple[Laboratory, Run], photographs: Path
) -> None:
    """It is named before anything is computed."""
    laboratory, run = study

    for device in ("tpu", "cuda:99", "cpu:1", "cuda:x"):
        with pytest.raises(BadSpec, match=device):
            predict(laboratory.store, run.data, {}, [photographs / "ape" / "000.png"], device)


def test_pictures_are_found_in_order_and_once(tmp_path: Path) -> None:
    """Files by name, folders at any depth, without system files; a missing path is an error."""
    for name in ("f/b.png", "f/a/c.png", "f/.hidden", "f/Thumbs.db", "z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()

    found = image_paths.find([tmp_path / "z.png", tmp_path / "f", tmp_path / "z.png"])

    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "z.png",
        "f/a/c.png",
        "f/b.png",
    ]
    for name in ("missing.png", "empty", "missing/x.png"):
        with pytest.raises(BadFolder, match=name.split("/")[0]):
            image_paths.find([tmp_path / name])
    with pytest.raises(BadFolder, match="not a regular file"):
        image_paths.find([Path("/dev/zero")])


def test_a_missing_image_is_a_wrong_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 before any store is opened."""
    code = cli.run(["--store", str(tmp_path), "predict", str(tmp_path / "missing.png")])

    assert code == 2
    assert "missing.png does not exist" in capsys.readouterr().err
