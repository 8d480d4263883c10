"""Write a network as an ONNX file with 8-bit numbers, ranges measured on training images.

Static quantisation of ONNX Runtime: signed 8-bit weights with a scale for each channel, unsigned
8-bit activations, and quantise-dequantise pairs around each operator. Test images are never seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from jobs.errors import OrchError
from models.data.batches import Data, Indices
from models.export import onnx_file, parity
from models.networks.of_trial import Normalisation

CALIBRATION_IMAGES = 128
SEED = 0
FAST_UNITS = ("avx512_vnni", "avx_vnni", "asimddp")
"""Processor flags of 8-bit products that cannot overflow; others need weights of 7 bits."""


def calibration_images(data: Data) -> Indices:
    """Training images to measure ranges on: `CALIBRATION_IMAGES` at most, always the same."""
    train = data.splits["train"]
    chosen = np.random.default_rng(SEED).permutation(len(train))[:CALIBRATION_IMAGES]
    return np.sort(train[np.sort(chosen)])


def weight_bits(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """8 where the processor's 8-bit products cannot overflow, else 7."""
    try:
        words = set(cpuinfo.read_text().split())
    except OSError:
        return 7
    return 8 if words & set(FAST_UNITS) else 7


def write(network: nn.Module, target: Path, data: Data, by: Normalisation) -> int:
    """Write it with 8-bit numbers; returns how many images its ranges were measured on.

    Raises `OrchError` for a network that cannot be quantised, or that ONNX cannot hold.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    indices = calibration_images(data)
    exact, prepared = (target.with_suffix(f".{name}.onnx") for name in ("exact", "prepared"))
    try:
        onnx_file.write(network, data.image_side, exact)
        shape_inference.quant_pre_process(exact, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            target,
            _Reader(data, indices, by),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=weight_bits() == 7,
        )
    except OrchError:
        raise
    except Exception as error:  # the tools raise anything for an operator that they do not know
        reason = " ".join(str(error).split())[:200]
        raise OrchError(f"ONNX Runtime cannot quantise this network: {reason}") from error
    finally:
        exact.unlink(missing_ok=True)
        prepared.unlink(missing_ok=True)
    return len(indices)


class _Reader:
    """Batches of calibration images, as ONNX Runtime asks for them."""

    def __init__(self, data: Data, indices: Indices, by: Normalisation) -> None:
        self.left: Iterator[Any] = parity.batches(data, indices, by)

    def get_next(self) -> dict[str, Any] | None:
        """The next batch; None at the end."""
        images = next(self.left, None)
        return None if images is None else {"image": images}
