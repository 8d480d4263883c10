"""Export a trained network as a folder that needs no orch: published whole or not at all."""

from __future__ import annotations

import inspect
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from jobs.errors import BadCheckpoint, OrchError, RequestError
from jobs.store.store import Store
from jobs.task import Task
from models.data.batches import Data, Indices
from models.evaluation import restore
from models.export import card, network_source, onnx_file, parity, quantise
from models.export import prepare as prepare_module
from models.export.card import NAMES, Origin
from models.export.parity import Answer, Parity, Scores
from models.networks import of_trial
from models.networks.of_trial import Normalisation

FORMATS = tuple(NAMES)
FEW = 64
"""Test images on which the files of torch, whose values are the same, are tried."""
Tell = Callable[[int, int], None]


def export(
    store: Store,
    run: str,
    training: Task,
    formats: Sequence[str],
    out: Path,
    tell: Tell = lambda done, total: None,
) -> dict[str, Parity]:
    """Write the folder `out`, which must not exist or be empty; returns how each format answers.

    Every file is loaded again and compared with the trained network before the folder appears.
    `tell(done, total)` counts images. Raises `RequestError` for the folder, `BadCheckpoint`, and
    `OrchError` where a format cannot hold the network.
    """
    _require_free(out)
    origin, network = _trained(store, run, training)
    data = Data.load(store, origin.trial.data)
    draft = out.parent / f".{out.name}.{os.getpid()}.draft"
    try:
        draft.mkdir(parents=True)
        written = _Written(draft, network, data, of_trial.normalisation_of(origin.trial), tell)
        compared = written.write(store, origin, list(dict.fromkeys(formats)))
        os.rename(draft, out)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return compared


def _require_free(out: Path) -> None:
    """Raise `RequestError` unless the folder can be made, or is empty."""
    try:
        if any(out.iterdir()):
            raise RequestError(f"the folder {out} is not empty. Give another folder with --out.")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(out, error) from None


def _unwritable(out: Path, error: OSError) -> RequestError:
    return RequestError(
        f"cannot write to {out}: {error.strerror or error}. Give another folder with --out."
    )


def _trained(store: Store, run: str, training: Task) -> tuple[Origin, nn.Module]:
    """What is exported, and the network on the processor in float32."""
    trial, result = store.load_trial(training.subject), store.done(training)
    described = store.described(trial.data)
    learner = restore.learner(store, training, len(described.classes), "cpu")
    if result is None:
        raise BadCheckpoint(f"{training.id} is not done.")
    evaluation = store.done(Task("evaluate", training.subject, training.epoch))
    origin = Origin(run, trial, training, result, evaluation, described)
    return origin, learner.network.eval()


class _Written:
    """Files of a network in a draft folder, each compared with the network itself."""

    def __init__(
        self, folder: Path, network: nn.Module, data: Data, by: Normalisation, tell: Tell
    ) -> None:
        self.folder, self.network, self.data, self.by, self.tell = folder, network, data, by, tell
        self.test = data.splits["test"]
        self.done, self.total = 0, len(self.test)

    def write(self, store: Store, origin: Origin, formats: Sequence[str]) -> dict[str, Parity]:
        """Write everything; returns how each format answers."""
        self.total += sum(len(self._images_of(each)) for each in formats)
        prepared = store.done(Task("prepare", origin.trial.data))
        sources = network_source.files(store, origin.trial, len(self.data.classes))
        texts = sources | {
            "labels.json": card.labels(origin.described),
            "preparation.json": card.preparation(origin.trial, origin.described, prepared),
            "prepare.py": inspect.getsource(prepare_module),
        }
        self._save(texts)
        remade, reference = self._remade(), list(self._answers(parity.of_network(self.network)))
        compared = {
            each: self._compared(each, remade, reference, origin.described.settings.image_size)
            for each in formats
        }
        self._save(
            {
                "provenance.json": card.provenance(origin, compared),
                "README.md": card.card(origin, formats, compared),
            }
        )
        return compared

    def _save(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def _images_of(self, form: str) -> Indices:
        return self.test if form in ("onnx", "int8") else self.test[:FEW]

    def _remade(self) -> nn.Module:
        """The network that `network.py` makes, with the trained values."""
        with _importable(self.folder):
            try:
                make = runpy.run_path(str(self.folder / network_source.FILE))["make"]
                made: nn.Module = make()
                made.load_state_dict(self._state())
            except Exception as error:  # the network's own code may raise anything
                reason = " ".join(str(error).split())[:200]
                raise OrchError(f"the network cannot be made without orch: {reason}") from error
        return made.eval()

    def _state(self) -> dict[str, Tensor]:
        return {
            name: value.detach().contiguous() for name, value in self.network.state_dict().items()
        }

    def _compared(
        self, form: str, remade: nn.Module, reference: Sequence[Scores], image_size: int
    ) -> Parity:
        """Write one format, load it again, and compare its answers."""
        path, indices = self.folder / NAMES[form], self._images_of(form)
        if form == "int8":
            return self._quantised(path, reference)
        answer = (
            self._onnx(path, remade, image_size) if form == "onnx" else self._torch(path, remade)
        )
        scores = np.concatenate(list(self._answers(answer, indices)))
        return parity.compare(self.data, indices, reference, scores)

    def _onnx(self, path: Path, remade: nn.Module, image_size: int) -> Answer:
        onnx_file.write(remade, image_size, path)
        return onnx_file.answer(path)

    def _quantised(self, path: Path, reference: Sequence[Scores]) -> Parity:
        """Write the file that `orch bench` measures, and count what 8-bit numbers change."""
        images = quantise.write(self.network, path, self.data, self.by)
        scores = np.concatenate(list(self._answers(onnx_file.answer(path))))
        bits = quantise.weight_bits()
        return parity.compare_quantised(self.data, self.test, reference, scores, bits, images)

    def _torch(self, path: Path, remade: nn.Module) -> Answer:
        """Save the values alone, and load them into the network again."""
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file, save_file

            save_file({name: value.clone() for name, value in self._state().items()}, path)
            state = load_file(path)
        else:
            torch.save(self._state(), path)
            state = torch.load(path, weights_only=True)
        remade.load_state_dict(state)
        return parity.of_network(remade)

    def _answers(self, answer: Answer, indices: Indices | None = None) -> Iterator[Scores]:
        for images in parity.batches(self.data, self.test if indices is None else indices, self.by):
            yield answer(images)
            self.done += len(images)
            self.tell(self.done, self.total)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The modules of a folder can be imported meanwhile, without leaving anything behind."""
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.modules.pop("own_network", None)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = before
        sys.modules.pop("own_network", None)
