"""Sessions of ONNX Runtime on the processor; no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def start(path: Path, threads: int) -> Any:
    """A session that computes on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def version() -> str:
    """The version of ONNX Runtime."""
    import onnxruntime

    return str(onnxruntime.__version__)
