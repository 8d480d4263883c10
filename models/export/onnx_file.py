"""Write a network as an ONNX file, and run such a file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from jobs.errors import OrchError
from models.export.parity import Answer

INPUT, OUTPUT = "image", "scores"


class Scores(nn.Module):
    """A network whose output is always (n, classes)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Scores of images (n, 3, s, s)."""
        scores: Tensor = self.network(image).flatten(1)
        return scores


def write(network: nn.Module, image_size: int, path: Path) -> None:
    """Write the network with a free batch dimension; raises `OrchError` if ONNX cannot hold it.

    torch.export is used: the older exporter has no adaptive pooling to sizes that do not divide.
    """
    example = torch.zeros(2, 3, image_size, image_size)
    free = ({0: torch.export.Dim.DYNAMIC},)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Scores(network).eval(),
                ((example,)),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=free,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        _remove_traces(path)
    except Exception as error:  # torch.export raises anything for code that it cannot trace
        reason = " ".join(str(error).split())[:200]
        raise OrchError(
            f"torch cannot write this network as ONNX: {reason} Give --format torch instead."
        ) from error


def _remove_traces(path: Path) -> None:
    """Remove what torch notes of each operator: stack traces, with folders of this machine."""
    import onnx

    model = onnx.load(path)
    for part in (model.graph, *model.functions):
        for noted in (*part.node, *part.value_info):
            del noted.metadata_props[:]
    onnx.save(model, path)


def answer(path: Path) -> Answer:
    """The answers of an ONNX file, on the processor; raises `OrchError` if it does not load."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # errors of onnxruntime have no common class
        reason = " ".join(str(error).split())[:200]
        raise OrchError(f"ONNX Runtime cannot load {path.name}: {reason}") from error
    return lambda images: np.asarray(session.run([OUTPUT], {INPUT: images})[0])
