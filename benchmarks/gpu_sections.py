"""What `gpu.py` measures, a function a section. Each runs in a process of its own and returns plain data."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rivals
import torch
from torch.nn import functional
from torch.optim import SGD

from jobs.errors import Stopped
from jobs.spec import Recipe
from jobs.store import Store
from jobs.task import Order, Task, Trial
from models import backbones, device, training
from models.answers import answers
from models.checkpoint import weights_digest
from models.data.batches import Batch, Data
from models.learner import Learner, normalised
from models.loop import Running, steps_of, train_epoch
from models.train import train

CLASSES = 22
EPOCHS = 30
EVALUATIONS = 3
PLENTY = 2**60


Put = Callable[[dict[str, Any]], None]
"""Puts down what a section has found so far, in case that it does not come to its end."""


class Enough(Exception):
    """The time for a measurement is over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What all sections measure on: made photographs, and a prepared data set of the study's size."""

    photos: rivals.Photographs
    big: Path
    names: tuple[str, ...]
    photographs: int
    cores: int
    threads: int
    seconds: float

    @property
    def where(self) -> torch.device:
        """Where torch computes; set up as `orch` does for its children."""
        torch.set_num_threads(self.threads)
        return device.pick(self.photos.device)

    def data(self) -> Data:
        """The data set of the study's size, through a memory map."""
        images = np.load(self.big, mmap_mode="r")
        places = np.arange(len(images))
        cut = [len(places) * 7 // 10, len(places) * 8 // 10]
        train, validation, test = np.split(np.random.default_rng(0).permutation(places), cut)
        return Data("big", tuple(map(str, range(CLASSES))), images, places % CLASSES, tuple(map(str, places)),
                    {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)})

    def some(self, images: int) -> Data:
        """The same with so many images in each split."""
        return replace(self.data(), splits=dict.fromkeys(("train", "validation", "test"), np.arange(images)))

    def near(self, data: Data) -> Data:
        """Kept on the device, be it a processor."""
        return data.near(self.where) if self.where.type == "cuda" else data.near(self.where, lambda _: PLENTY)


def learner(scene: Scene, name: str, precision: Any = "auto", graphs: bool = False, **recipe: Any) -> Learner:
    """A network from random weights, as a child of `orch` has it."""
    asked = Recipe(**recipe)
    torch.set_num_threads(scene.threads)
    where = device.pick(scene.photos.device, asked.deterministic)
    with _graphs(graphs):
        chosen = device.choose_precision(precision, where, name)
        return Learner.of(backbones.build(name, CLASSES, 0), asked, 0, where, chosen)


def training_rate(ours: Learner, data: Data, seconds: float) -> float:
    """Images a second of real epochs, about so long."""
    started, images, epoch = time.perf_counter(), 0, 0

    def until(running: Running, settled: bool) -> None:
        if time.perf_counter() - started > seconds:
            raise Enough

    while time.perf_counter() - started < seconds:
        running, epoch = Running(), epoch + 1
        with suppress(Enough):
            train_epoch(ours, data, epoch, running, until)
        images += running.images
    rivals.wait(ours.device)
    return images / (time.perf_counter() - started)


def answering_rate(ours: Learner, data: Data, seconds: float) -> float:
    """Images a second of real evaluations, about so long."""
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        images += sum(len(piece) for piece, *_ in answers(ours, data, "test"))
    return images / (time.perf_counter() - started)


def machine(scene: Scene, put: Put) -> dict[str, Any]:
    """The device, its memory, and matrix products on it."""
    where = scene.where
    about: dict[str, Any] = {"device": device.describe(where), "torch": torch.__version__, "cores": scene.cores}
    if where.type == "cuda":
        free, total = torch.cuda.mem_get_info(where)
        about |= {"free_bytes": free, "total_bytes": total, "cuda": torch.version.cuda,
                  "cudnn": torch.backends.cudnn.version(),
                  "capability": torch.cuda.get_device_capability(where)}
    side = 8192 if where.type == "cuda" else 256
    about["matmul_flops"] = {kind: rivals.matmul_flops(where, kind, side, scene.seconds) for kind in ("fp32", "bf16")}
    return about


def exact(scene: Scene, put: Put) -> dict[str, Any]:
    """Digests after an epoch of a few steps that are to be equal, and how far float32 is from a plain loop."""
    found: dict[str, Any] = {}
    data = scene.some(3 * 32 + 5)
    kept = scene.near(data)
    for name in scene.names:
        def digest(on: Data, stop: int = 0, name: str = name, **how: Any) -> str:
            return _digest(learner(scene, name, **how), on, stop)

        checks: dict[str, Callable[[], Any]] = {
            "resident": lambda kept=kept: kept.resident is not None,
            "same seed = again": lambda digest=digest: digest(data) == digest(data),
            "resident = streamed": lambda digest=digest: digest(kept) == digest(data),
            "interrupted = not": lambda digest=digest: digest(kept, stop=2) == digest(kept),
            "deterministic = again": lambda digest=digest: digest(data, deterministic=True)
            == digest(data, deterministic=True),
            "replayed": lambda name=name: _replayed(scene, name, kept),
            "replayed = plain": lambda digest=digest: digest(kept, graphs=True) == digest(kept),
            "float32 from a plain loop, most": lambda name=name: _from_plain(scene, name, data),
        }
        found[name] = {what: _tried(check) for what, check in checks.items()}
        device.pick(scene.photos.device)
        put(found)
    return found


def backbone(scene: Scene, put: Put, name: str) -> dict[str, Any]:
    """Images a second of one backbone, trained and tested: by hand, the bare step, ours; and its peak memory."""
    where, seconds, batch_images = scene.where, scene.seconds / 2, 32
    many = scene.some(min(len(scene.data().images), 8192))
    kept = scene.near(many)
    rates: dict[str, float] = {}
    for precision in ("auto", "fp32"):
        ours = learner(scene, name, precision)
        label = ours.precision if precision == "auto" else "fp32"
        batch = rivals.ready(scene.photos, batch_images)
        rivals.bare_steps(ours, batch, 3)
        steps = max(2, round(seconds / max(rivals.bare_steps(ours, batch, 3) / 3, 1e-6)))
        rates[f"bare {precision}"] = steps * batch_images / rivals.bare_steps(ours, batch, steps)
        for how, data in (("resident", kept), ("streamed", many)):
            training_rate(ours, data, seconds / 4)
            rates[f"ours {precision} {how}"] = training_rate(ours, data, seconds)
            answering_rate(ours, data, seconds / 8)
            rates[f"ours {precision} {how} evaluated"] = answering_rate(ours, data, seconds / 2)
        large = rivals.ready(scene.photos, 4 * batch_images)
        rivals.bare_answers(ours, large, 2)
        turns = max(2, round(seconds / 2 / max(rivals.bare_answers(ours, large, 2) / 2, 1e-6)))
        rates[f"bare {precision} evaluated"] = turns * 4 * batch_images / rivals.bare_answers(ours, large, turns)
        rates[f"share of matmul {precision}"] = (
            rates[f"ours {precision} resident"] * rivals.training_flops(name, CLASSES, scene.photos.size)
            / rivals.matmul_flops(where, label, 8192 if where.type == "cuda" else 256, seconds / 4)
        )
        put({"images_per_second": rates})
    replay = learner(scene, name, graphs=True)
    training_rate(replay, kept, seconds / 4)
    rates["ours auto replayed"] = training_rate(replay, kept, seconds)
    trusted = replay.replay is not None and replay.replay.trusted and replay.replay.again is not None
    peak = torch.cuda.max_memory_allocated(where) if where.type == "cuda" else None
    hand = _tried(lambda: _by_hand(scene, name))
    found = {"images_per_second": rates, "replay trusted": trusted, "peak_memory_bytes": peak}
    return found | ({"by hand": hand} if "error" in hand else hand)


def study(scene: Scene, put: Put) -> dict[str, Any]:
    """Each network alone on the whole data set: upload, and seconds extrapolated from a slice of an epoch."""
    data = scene.data()
    started = time.perf_counter()
    kept = scene.near(data)
    rivals.wait(scene.where)
    found: dict[str, Any] = {"upload_seconds": time.perf_counter() - started, "resident": kept.resident is not None}
    for name in scene.names:
        ours = learner(scene, name)
        training_rate(ours, kept, scene.seconds / 2)
        rates = training_rate(ours, kept, 2 * scene.seconds), answering_rate(ours, _slice(data), scene.seconds)
        found[name] = {"training_rate": rates[0], "answering_rate": rates[1],
                       "extrapolated_seconds": extrapolated(data, *rates)}
        put(found)
        del ours
    return found


def extrapolated(data: Data, training: float, answering: float) -> float:
    """Seconds of 30 epochs with their validations and three evaluations, from images a second."""
    sizes = {split: len(places) for split, places in data.splits.items()}
    looked_at = EPOCHS * sizes["validation"] + EVALUATIONS * sizes["test"]
    return EPOCHS * sizes["train"] / training + looked_at / answering


def beside(scene: Scene, put: Put, name: str, gate: Path, others: int, whole: bool) -> dict[str, Any]:
    """Images a second of one network while so many processes train, from when all of them are ready."""
    data = scene.data() if whole else scene.some(min(len(scene.data().images), 4096))
    ours, kept = learner(scene, name), scene.near(data)
    training_rate(ours, kept, scene.seconds / 2)
    (gate / f"ready-{os.getpid()}").touch()
    while len(list(gate.glob("ready-*"))) < others:
        time.sleep(0.01)
    training_rate(ours, kept, scene.seconds / 4)
    rate = training_rate(ours, kept, 3 * scene.seconds)
    # Those that measure still shall not have the device to themselves.
    training_rate(ours, kept, scene.seconds / 2)
    return {"training_rate": rate, "resident": kept.resident is not None and kept.resident.images is not None,
            "extrapolated_training_seconds": EPOCHS * len(scene.data().splits["train"]) / rate}


def checkpoints(scene: Scene, put: Put, name: str) -> dict[str, Any]:
    """How long a checkpoint holds a training up and how long it takes; and a real task, stopped and taken up again."""
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-") as place:
        order = _order(scene, name, Path(place), 0, "stopped")
        begun = training.begin(order)
        train_epoch(begun.learner, begun.data, 1, begun.running, lambda *_: None)
        held, whole = [], []
        with begun.saver:
            for _ in range(3):
                rivals.wait(scene.where)
                started = time.perf_counter()
                begun.save()
                held.append(time.perf_counter() - started)
                begun.last_checkpoint()
                whole.append(time.perf_counter() - started)
        straight = train(_order(scene, name, Path(place), 1, "straight"), _silent, lambda: False)
        calls, stopped = iter(range(1)), False
        try:
            train(_order(scene, name, Path(place), 2, "again"), _silent, lambda: next(calls, None) is None)
        except Stopped:
            stopped = True
        again = train(_order(scene, name, Path(place), 3, "again"), _silent, lambda: False)
    return {"held_up_seconds": held, "written_seconds": whole, "stopped": stopped,
            "interrupted = not": straight["weights_digest"] == again["weights_digest"],
            "peak_memory_bytes": straight["peak_memory_bytes"]}


def _order(scene: Scene, name: str, place: Path, number: int, store: str) -> Order:
    """A training of one epoch of the photographs, in a store of its own."""
    opened = Store(place / store).open(create=True)
    if not opened.data_folder(scene.photos.name).exists():
        source, settings = Store(scene.photos.store).load_data(scene.photos.name)
        opened.save_data(scene.photos.name, source, settings)
        opened.data_folder(scene.photos.name).mkdir(parents=True, exist_ok=True)
        for each in ("images.npy", "manifest.parquet"):
            (opened.data_folder(scene.photos.name) / each).symlink_to(
                Store(scene.photos.store).data_folder(scene.photos.name) / each)
    trial = Trial(scene.photos.name, name, "none", Recipe(), 0)
    opened.save_trial(trial, [1], "run")
    work = place / f"work-{number}"
    work.mkdir()
    return Order(Task("train", trial.name, 1).id, str(opened.root), str(number), str(work), 1, scene.photos.device,
                 scene.threads, None)


def _digest(ours: Learner, data: Data, stop: int) -> str:
    """Weights after an epoch; with `stop`, of another learner that goes on from that step."""
    def until(running: Running, settled: bool) -> None:
        if running.step == stop:
            raise Enough

    running = Running()
    with suppress(Enough):
        train_epoch(ours, data, 1, running, until)
    if stop:
        other = Learner.of(ours.network, ours.recipe, ours.seed, ours.device, ours.precision)
        other.optimizer.load_state_dict(ours.optimizer.state_dict())
        train_epoch(other, data, 1, running, lambda *_: None)
        ours = other
    return weights_digest(ours.network.state_dict())


def _replayed(scene: Scene, name: str, data: Data) -> bool:
    """Whether steps are replayed, if asked for."""
    ours = learner(scene, name, graphs=True)
    train_epoch(ours, data, 1, Running(), lambda *_: None)
    return ours.replay is not None and ours.replay.trusted and ours.replay.again is not None


def _from_plain(scene: Scene, name: str, data: Data) -> float:
    """The largest difference of a weight after an epoch from a loop written plainly, on the same order of images.

    Without dropout: it draws in the order of memory, which is another one with channels last.
    """
    ours = learner(scene, name, "fp32")
    network = backbones.build(name, CLASSES, 0).to(scene.where)
    for module in (*ours.network.modules(), *network.modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plain = SGD(network.parameters(), lr=ours.recipe.learning_rate, momentum=ours.recipe.momentum)
    for piece in steps_of(data, ours, 1):
        batch = Batch(torch.from_numpy(data.images[piece]), torch.from_numpy(data.labels[piece]))
        images = normalised(batch.images).contiguous().to(scene.where)
        plain.zero_grad()
        functional.cross_entropy(network(images).flatten(1), batch.labels.to(scene.where)).backward()
        plain.step()
    train_epoch(ours, data, 1, Running(), lambda *_: None)
    pairs = zip(ours.network.parameters(), network.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def _by_hand(scene: Scene, name: str) -> dict[str, Any]:
    """Images a second of the loop one writes by hand: float32, a DataLoader with all cores."""
    loader = rivals.loader(scene.photos, scene.photographs, 32, scene.cores, shuffle=True)
    network, optimizer = rivals.by_hand(name, scene.photos, loader)
    rivals.train_by_hand(network, optimizer, loader, scene.where)
    seconds = (rivals.train_by_hand(network, optimizer, loader, scene.where),
               rivals.evaluate_by_hand(network, optimizer, loader, scene.where))
    return {"by hand": scene.photographs / seconds[0], "by hand evaluated": scene.photographs / seconds[1]}


def _slice(data: Data) -> Data:
    """At most 4,096 of its test images."""
    return replace(data, splits=data.splits | {"test": data.splits["test"][:4096]})


def _tried(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _silent(message: dict[str, Any]) -> None:
    """Tell nobody."""


@contextmanager
def _graphs(wanted: bool) -> Iterator[None]:
    before = os.environ.pop("ORCH_CUDA_GRAPHS", None)
    if wanted:
        os.environ["ORCH_CUDA_GRAPHS"] = "1"
    try:
        yield
    finally:
        os.environ.pop("ORCH_CUDA_GRAPHS", None)
        if before is not None:
            os.environ["ORCH_CUDA_GRAPHS"] = before
