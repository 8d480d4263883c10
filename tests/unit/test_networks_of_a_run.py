"""A run with networks of several libraries: names, own files, preparations, and equal numbers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("timm", reason="timm is not installed (extra 'timm')")

from support.learning import Laboratory  # noqa: E402

from jobs.data import sources  # noqa: E402
from jobs.errors import DamagedFile, RequestError  # noqa: E402
from jobs.maintenance import verify  # noqa: E402
from jobs.spec import model  # noqa: E402
from jobs.spec.model import Spec  # noqa: E402
from jobs.store import tables  # noqa: E402
from jobs.store.network_files import network_file  # noqa: E402
from jobs.store.runs import Run  # noqa: E402
from jobs.store.store import Store  # noqa: E402
from jobs.task import Task  # noqa: E402
from models.data.batches import Data  # noqa: E402
from models.evaluation.predict import predict  # noqa: E402
from models.networks import check  # noqa: E402
from orchestrator.submission.run_creation import create_run  # noqa: E402

NETS = """
import torchvision

def make(num_classes):
    return torchvision.models.resnet18(num_classes=num_classes)

def wrong(num_classes):
    return torchvision.models.resnet18()

def fails(num_classes):
    raise KeyError("oops")

def nothing(num_classes):
    return num_classes

def ends(num_classes):
    raise SystemExit(3)
"""
SAME = {"image_size": 32, "resize": "crop", "interpolation": "bicubic", "crop": 0.9}
COLOURS = {"mean": [0.5, 0.5, 0.5], "deviation": [0.25, 0.25, 0.25]}


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A file with functions that make networks, and some that do not."""
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of ResNet18 with 7 classes, in half precision without counts of batches."""
    torch.manual_seed(3)
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    kept = {key: value.half() for key, value in state.items() if "num_batches" not in key}
    torch.save(kept, tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def asked_of_torch(spec: Spec) -> Spec:
    """The specification with each network's preparation, as a submission asks for it."""
    requests = [
        check.NetworkRequest(
            name,
            spec.asked_of(name),
            str(known.file) if (known := spec.networks.get(name)) and known.file else None,
        )
        for name in spec.backbones
    ]
    found = {each.label: check.check(each, 3, None) for each in requests}
    return spec.with_native({key: model.Network(**facts) for key, facts in found.items() if facts})


def recorded(tmp_path: Path, spec: Spec) -> tuple[Store, Run, Laboratory]:
    """The run of a specification in a new store, with its data sets prepared."""
    store = Store(tmp_path / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    lab = Laboratory(store, run.data)
    for data in run.data_sets:
        lab.do(Task("prepare", data))
    return store, run, lab


def test_the_same_network_of_three_sources_gives_the_same_numbers(
    nets: Path, weights: Path, animal_folder: Path, tmp_path: Path
) -> None:
    """ResNet18 of torchvision, of timm and of an own file: same weights, preparation and steps."""
    entries = [
        {"name": name, "weights": str(weights)}
        for name in ("torchvision:resnet18", "timm:resnet18", f"{nets}:make")
    ]
    values = {"data": str(animal_folder), "epochs_per_period": 1, "periods": 1, "batch_size": 8}
    recipe = {"precision": "fp32", "learning_rate": 0.01}
    spec = model.build({"backbones": entries, **values, **recipe, **SAME, **COLOURS})
    store, run, lab = recorded(tmp_path, asked_of_torch(spec))
    facts = []
    for trial in run.trials:
        lab.train(trial, 1)
        facts.append(lab.evaluate(trial, 1))
    rows = tables.read_rows(store.root, "epochs", run.trials).to_pylist()
    losses = [
        tuple(row["train_loss"] for row in rows if row["backbone"] == name)
        for name in spec.backbones
    ]

    assert len(run.data_sets) == 1
    assert spec.backbones == ("torchvision:resnet18", "timm:resnet18", "nets.py:make")
    assert losses[0] == losses[1] == losses[2]
    assert len(losses[0]) == 1
    assert len({(fact["loss"], fact["correct"]) for fact in facts}) == 1


def test_names_show_the_network_and_the_checksum_of_an_own_file(
    nets: Path, animal_folder: Path, tmp_path: Path
) -> None:
    """The file is copied into the store; another version of it makes another trial.

    A space in its name is a '-' in the results.
    """
    nets = nets.rename(tmp_path / "my nets.py")
    asked = {"backbones": f"{nets}:make,timm:resnet10t", "data": str(animal_folder), **SAME}
    spec = model.build(asked | COLOURS)
    run = create_run(Store(tmp_path / "store").open(create=True), spec, sources.read(spec))
    digest = hashlib.sha256(NETS.encode()).hexdigest()
    nets.write_text(NETS + "# changed\n")
    other = model.build(asked | COLOURS)
    again = create_run(Store(tmp_path / "store"), other, sources.read(other))
    slugs = sorted(trial.rpartition("-s0-")[0] for trial in run.trials)

    assert run.spec.backbones[0] == "my-nets.py:make"
    assert slugs == [f"my-nets-py-make-{digest[:8]}", "timm-resnet10t"]
    assert (tmp_path / "store" / "networks" / f"{digest}.py").read_text() == NETS
    assert run.name != again.name
    assert len(set(run.trials) & set(again.trials)) == 1


def test_a_changed_copy_of_an_own_file_is_found_and_not_run(
    nets: Path, animal_folder: Path, tmp_path: Path
) -> None:
    """By `orch verify`, and by the worker that would load it."""
    asked = {"backbones": f"{nets}:make", "data": str(animal_folder), **SAME, **COLOURS}
    spec = model.build(asked)
    store = Store(tmp_path / "store").open(create=True)
    run = create_run(store, spec, sources.read(spec))
    (name,) = (path.name for path in (store.root / "networks").iterdir())
    before = [each for each in verify.verify_files(store, run) if each.path == f"networks/{name}"]
    (store.root / "networks" / name).write_text(NETS.replace("18", "34"))
    after = [each for each in verify.verify_files(store, run) if each.path == f"networks/{name}"]

    assert [each.problem for each in before] == [None]
    assert [each.problem for each in after] != [None]
    with pytest.raises(DamagedFile, match="checksum"):
        network_file(store, name)


def test_preparations_of_one_run_have_the_same_split_and_images(
    animal_folder: Path, tmp_path: Path
) -> None:
    """Whatever size and crop: paired tests compare answers for the same images."""
    copy = (animal_folder / "ape" / "000.png").read_bytes()
    (animal_folder / "ape" / "copy.png").write_bytes(copy)
    entries = [
        "scratch",
        {"name": "squeezenet", "image_size": 48, "resize": "pad", "crop": 1.0},
        {"name": "timm:resnet10t", "image_size": 32},
    ]
    asked = {"backbones": entries, "data": str(animal_folder), "weights": "none"}
    spec = asked_of_torch(model.build(asked | {"image_size": "native"}))
    store, run, _ = recorded(tmp_path, spec)
    manifests = [
        tables.read_table(store.manifest_path(data), tables.MANIFEST) for data in run.data_sets
    ]
    sizes = {Data.load(store, data).images.shape[1] for data in run.data_sets}

    assert len(run.data_sets) == 3
    assert sizes == {224, 48, 32}
    assert all(each.equals(manifests[0]) for each in manifests)
    assert spec.data_settings("scratch").split_size is None
    alone = model.build({"backbones": "scratch", "data": str(animal_folder)})
    assert sources.read(alone).data_id(alone.data_settings()) in run.data_sets


def test_predictions_use_the_preparation_of_each_network(
    animal_folder: Path, tmp_path: Path
) -> None:
    """The answer for a test image is the one that the evaluation gave."""
    entries = ["scratch", {"name": "timm:resnet10t", "image_size": 48, "mean": [0.5, 0.4, 0.3]}]
    asked = {"backbones": entries, "data": str(animal_folder), "weights": "none", "periods": 1}
    spec = asked_of_torch(model.build(asked | {"image_size": 32, "epochs_per_period": 1}))
    store, run, lab = recorded(tmp_path, spec)
    for trial in run.trials:
        lab.train(trial, 1)
        lab.evaluate(trial, 1)
    rows = tables.read_rows(store.root, "predictions", run.trials).to_pylist()
    images = sorted({animal_folder / row["image"] for row in rows})
    trials = {store.load_trial(name).backbone: [Task("train", name, 1)] for name in run.trials}
    found = predict(store, run.data, trials, images, "cpu")
    given = {
        (each.image, answer.backbone): answer.top[0].confidence
        for each in found
        for answer in each.answers
    }

    assert len(run.data_sets) == 2
    assert len(rows) == len(given)
    for row in rows:
        key = (animal_folder / row["image"], row["backbone"])
        assert given[key] == pytest.approx(row["confidence"], abs=1e-5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("wrong", "scores of shape (2, 1000) for two images and 3 classes"),
        ("fails", "its function raised KeyError: 'oops'"),
        ("ends", "its function raised SystemExit: 3"),
        ("nothing", "returned 'int', not a torch.nn.Module"),
        ("mak", "no function 'mak'. Did you mean 'make'?"),
    ],
)
def test_an_own_function_that_makes_no_such_network_is_refused(
    function: str, words: str, nets: Path
) -> None:
    """In one line that names the file and the function."""
    request = check.NetworkRequest(f"nets.py:{function}", {"image_size": 32}, str(nets))
    with pytest.raises(RequestError) as refusal:
        check.check(request, 3, None)

    assert words in str(refusal.value)
    assert f"nets.py:{function}" in str(refusal.value)
