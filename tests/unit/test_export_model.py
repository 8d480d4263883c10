"""An exported network answers without orch as it does with it, from the lines in its own README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
for package in ("torchvision", "timm", "safetensors"):
    pytest.importorskip(package, reason=f"{package} is not installed (extra 'timm')")

import numpy as np  # noqa: E402
import timm  # noqa: E402
import torchvision  # noqa: E402
from support.command_lines import ROOT, fenced  # noqa: E402
from support.exported_networks import answers_without_orch, exported, train_networks  # noqa: E402

import orchestrator  # noqa: E402
from jobs.errors import OrchError, RequestError  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation.predict import predict  # noqa: E402
from models.export import card, network_source, onnx_file, parity, quantise  # noqa: E402
from models.networks import libraries  # noqa: E402
from models.networks.libraries import Wanted  # noqa: E402
from orchestrator import cli  # noqa: E402
from orchestrator.analysis import trained_models  # noqa: E402


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run, Path]:
    """Trained networks of every kind."""
    return train_networks(tmp_path_factory.mktemp("study"))


@pytest.mark.long
def test_every_kind_of_network_answers_without_orch_as_orch_does(
    study: tuple[Store, Run, Path], tmp_path: Path
) -> None:
    """Each image is prepared by the exported files alone, in four lines a format."""
    store, run, folder = study
    image = folder / "animals" / "bear" / "004.png"
    places = [
        exported(study, tmp_path / str(number), name, "torch", "safetensors")
        for number, name in enumerate(run.spec.backbones)
    ]
    trials = trained_models.choose_models(store, run, None).trials
    (expected,) = predict(store, run.data, trials, [image], "cpu")

    found = answers_without_orch(places, image)

    shown = fenced(ROOT / "docs" / "export.md", "python")
    assert [each for each in card.LOADING.values() if each + "\n" not in shown] == []
    assert len(found) == 2 * len(places) == 10
    for number, answer in enumerate(expected.answers):
        labels = json.loads((places[number] / "labels.json").read_text())
        shares = {choice.label: choice.confidence for choice in answer.top}
        for scores in found[2 * number : 2 * number + 2]:
            softmax = np.exp(scores) / np.exp(scores).sum()
            assert dict(zip(labels, softmax, strict=True)) == pytest.approx(shares, abs=1e-5)


def test_the_values_have_the_names_of_their_library(
    study: tuple[Store, Run, Path], tmp_path: Path
) -> None:
    """torchvision and timm load them strictly into networks that they make."""
    shuffle = exported(study, tmp_path / "a", "torchvision:shufflenet_v2_x0_5", "torch")
    resnet = exported(study, tmp_path / "b", "timm:resnet10t", "torch")
    of_torchvision = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    of_timm = timm.create_model("resnet10t", num_classes=3)

    of_torchvision.load_state_dict(torch.load(shuffle / "model.pt", weights_only=True))
    of_timm.load_state_dict(torch.load(resnet / "model.pt", weights_only=True))

    assert sorted(each.name for each in shuffle.iterdir()) == [
        "README.md", "labels.json", "model.pt", "network.py", "preparation.json", "prepare.py",
        "provenance.json",
    ]  # fmt: skip


def test_onnx_takes_any_number_of_images_and_names_torchs_classes(
    study: tuple[Store, Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pool of the own network does not divide its input, which older exporters refuse."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'onnx')")
    import onnxruntime

    store, run, folder = study
    words = ["--store", str(store.root), "export", "model", "study", "--format", "onnx", "--json"]
    code = cli.run([*words, "--backbone", "nets.py:make", "--out", str(tmp_path / "out")])
    told = json.loads(capsys.readouterr().out)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    batches = [np.zeros((n, 3, 64, 64), np.float32) for n in (1, 5)]
    (scores,) = answers_without_orch([tmp_path / "out"], folder / "animals" / "ape" / "000.png")

    assert code == 0
    assert told["formats"]["onnx"]["test_images"] == len(Data.load(store, run.data).splits["test"])
    assert told["formats"]["onnx"]["other_answers"] == []
    assert [each.name for each in session.get_inputs()] == ["image"]
    assert [session.run(["scores"], {"image": each})[0].shape for each in batches] == [
        (1, 3),
        (5, 3),
    ]
    assert len(scores) == 3
    assert b"site-packages" not in (tmp_path / "out" / "model.onnx").read_bytes()


def test_int8_answers_alone_and_tells_what_it_changed(
    study: tuple[Store, Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The counts are those of its file, asked without orch about images of the test folder."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'bench')")
    store, run, folder = study
    words = ["--store", str(store.root), "export", "model", "study", "--format", "int8", "--json"]
    code = cli.run([*words, "--backbone", "nets.py:make", "--out", str(tmp_path / "out")])
    told = json.loads(capsys.readouterr().out)["formats"]["int8"]
    data = Data.load(store, run.data)
    kept = json.loads((tmp_path / "out" / "provenance.json").read_text())
    made = kept["compared_with_torch"]["int8"]["quantised"]
    image = folder / "animals" / "ape" / "000.png"
    files = sorted(each.name for each in (tmp_path / "out").iterdir())
    (scores,) = answers_without_orch([tmp_path / "out"], image)
    model = orchestrator.open_store(store.root).run("study").model("nets.py:make")
    with torch.inference_mode():
        (exact,) = model(model.prepare(image)).numpy()

    assert code == 0
    assert told["test_images"] == len(data.splits["test"])
    assert told["quantised"] == made
    assert made["weight_bits"] == quantise.weight_bits()
    assert made["calibration_images"] == len(data.splits["train"])
    assert abs(made["float32_correct"] - made["correct"]) <= len(told["other_answers"])
    assert 0 < np.abs(np.array(scores) - exact).max() < 0.1 * np.abs(exact).max()
    assert files == [
        "README.md", "labels.json", "model-int8.onnx", "network.py", "own_network.py",
        "preparation.json", "prepare.py", "provenance.json",
    ]  # fmt: skip


def test_other_answers_are_listed_with_their_margins(study: tuple[Store, Run, Path]) -> None:
    """Rounding may turn a tie; scores that are really different are refused."""
    store, run, _ = study
    data = Data.load(store, run.data)
    indices = data.splits["test"][:2]
    reference = [np.array([[1.0, 0.9999, 0.0], [0.0, 1.0, 0.0]], np.float32)]
    near = np.array([[0.9999, 1.0, 0.0], [0.0, 1.0, 0.0]], np.float32)

    found = parity.compare(data, indices, reference, near)

    assert [(each.torch, each.exported) for each in found.others] == [("ape", "bear")]
    assert found.others[0].margin == pytest.approx(1e-4, rel=0.01)
    assert "1 of 2 test images get torch's answer; the others had margins" in card.told(found)
    with pytest.raises(OrchError, match="scores differ from torch's by up to 1"):
        parity.compare(data, indices, reference, near[::-1])


def test_8_bit_numbers_may_change_any_answer(
    study: tuple[Store, Run, Path], tmp_path: Path
) -> None:
    """They are counted; scores that are no numbers, and a file that does not load, are refused."""
    store, run, _ = study
    data = Data.load(store, run.data)
    indices = data.splits["test"]
    right = np.eye(3, dtype=np.float32)[data.labels[indices]]
    wrong = np.roll(right, 1, axis=1)
    wrong[0] = right[0]

    lost = parity.compare_quantised(data, indices, [right], wrong, 7, 9)
    told = card.told(lost)

    images = len(indices)
    assert lost.quantised == parity.Quantised(7, 9, images, 1)
    assert f"{images - 1} of {images} test images get another answer" in told
    assert f"Accuracy is {1 / images:.1%}, and 100.0% in float32. Weights have 7 bits, as" in told
    with pytest.raises(OrchError, match="no usable scores"):
        parity.compare_quantised(data, indices, [right], wrong * np.nan, 7, 9)
    (tmp_path / "bad.onnx").write_text("no network")
    with pytest.raises(OrchError, match=r"cannot load bad\.onnx: "):
        onnx_file.answer(tmp_path / "bad.onnx")


@pytest.mark.parametrize("name", ["googlenet", "vit_b_32"])
def test_the_file_makes_the_networks_of_torchvision_that_need_arguments(
    name: str, study: tuple[Store, Run, Path]
) -> None:
    """Auxiliary outputs are left out, and a grid of patches fits the images."""
    store, run, _ = study
    trial = store.load_trial(run.trials[0])
    size = store.described(trial.data).settings.image_size
    other = type(trial)(trial.data, f"torchvision:{name}", "none", trial.recipe, 0)
    expected = libraries.skeleton(Wanted(other.backbone, size), 3).state_dict()
    names: dict[str, Any] = {}
    exec(network_source.files(store, other, 3)["network.py"], names)
    with torch.device("meta"):
        made = names["make"]().state_dict()

    assert {key: value.shape for key, value in made.items()} == {
        key: value.shape for key, value in expected.items()
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backbone", "scratchy"], "Did you mean 'scratch'?"),
        (["--backbone", "scratch", "--seed", "4"], "trained with these seeds: 0"),
        (["--backbone", "scratch", "--period", "2"], "has periods 1 to 1"),
        (["--backbone", "scratch", "--format", "tflite"], "tflite"),
        (["--backbone", "scratch", "--out", "FULL"], "is not empty"),
        (["--backbone", "scratch", "--out", "FULL/file"], "Not a directory"),
        (["--backbone", "scratch", "--out", "FULL/file/x"], "cannot write to"),
        ([], "--backbone"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_bad_request_is_one_line_and_writes_nothing(
    words: list[str],
    said: str,
    study: tuple[Store, Run, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2."""
    store, _, _ = study
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    given = [word.replace("FULL", str(tmp_path / "full")) for word in words]
    where = [] if "--out" in given else ["--out", str(tmp_path / "new")]

    code = cli.run(["--store", str(store.root), "export", "model", "study", *given, *where])
    told = capsys.readouterr().err

    assert code == 2
    assert said in told
    assert len(told.splitlines()) == 1
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["file", "full"]


@pytest.mark.parametrize(("form", "extra"), [("onnx", "onnx"), ("int8", "bench")])
def test_a_missing_extra_is_one_line(
    form: str,
    extra: str,
    study: tuple[Store, Run, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It names the command that installs it."""
    from orchestrator import optional_packages

    monkeypatch.setitem(optional_packages.NEEDED, form, (extra, ("no_such_module",)))
    store, _, _ = study

    code = cli.run(
        ["--store", str(store.root), "export", "model", "--backbone", "scratch", "--format", form]
    )
    told = capsys.readouterr().err

    assert code == 2
    assert "needs no_such_module" in told
    assert f"{extra}]" in told
    assert len(told.splitlines()) == 1


def test_which_seed_is_asked_where_there_are_several(study: tuple[Store, Run, Path]) -> None:
    """No network is chosen silently."""
    store, run, _ = study
    changed = run.spec.model_copy(update={"seeds": 2})
    several = type(run)(run.name, changed, run.data, run.trials, run.tasks, run.submitted_at, {})

    with pytest.raises(RequestError, match="Give --seed"):
        trained_models.choose_model(store, several, "scratch", None, None)
    assert trained_models.choose_model(store, several, "scratch", 0, 1).epoch == 1


def test_the_api_gives_the_network_with_its_preparation(study: tuple[Store, Run, Path]) -> None:
    """Its scores are those that `orch predict` makes its confidences of."""
    store, run, folder = study
    image = folder / "animals" / "cat" / "003.png"
    model = orchestrator.open_store(store.root).run("study").model("nets.py:make")
    trials = trained_models.choose_models(store, run, None).trials
    (expected,) = predict(store, run.data, trials, [image], "cpu")
    (answer,) = [each for each in expected.answers if each.backbone == "nets.py:make"]

    with torch.inference_mode():
        shares = torch.softmax(model(model.prepare(image)), 1)[0].tolist()

    assert not model.training
    assert model.preparation["resize"] == "pad"
    assert dict(zip(model.labels, shares, strict=True)) == pytest.approx(
        {choice.label: choice.confidence for choice in answer.top}, abs=1e-5
    )
    for name, why in (("nets.py", "not a complete image"), ("no.png", "does not exist")):
        with pytest.raises(RequestError, match=why):
            model.prepare(folder / name)
