"""Files that a network of a specification brings along: its own program, its own weights."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import BadSpec, UnknownBackbone

if TYPE_CHECKING:
    from jobs.spec.networks import Network

WEIGHTS_SUFFIXES = (".pth", ".pt", ".safetensors")
MAX_SOURCE_BYTES = 1_000_000
SHOWN = 80


def with_source(network: Network, given: str, path: Path) -> Network:
    """The same with the checksum of an own file; raises `UnknownBackbone` if it cannot be read."""
    contents = source_of(path, given)
    digest = hashlib.sha256(contents).hexdigest()
    return network.model_copy(update={"source": digest, "file": path})


def source_of(path: Path, given: str) -> bytes:
    """The contents of an own file; raises `UnknownBackbone`."""
    try:
        if path.exists() and not path.is_file():  # a pipe would never be read to its end
            raise OSError(errno.EINVAL, "not a file")
        with path.open("rb") as handle:
            contents = handle.read(MAX_SOURCE_BYTES + 1)
    except OSError as error:
        raise UnknownBackbone(
            f"cannot read the file of the backbone '{given[:200]}': {error.strerror}: {path}."
        ) from None
    if len(contents) > MAX_SOURCE_BYTES:
        raise UnknownBackbone(f"{path} is larger than {MAX_SOURCE_BYTES:,} bytes; is it a program?")
    return contents


def with_weights(network: Network, label: str, weights: Any) -> Network:
    """The same with an own weights file and its checksum; raises `BadSpec` if it is not there."""
    path = Path(str(weights))
    if not isinstance(weights, str) or path.suffix not in WEIGHTS_SUFFIXES:
        raise BadSpec(
            f"backbones: {label}: weights: {str(weights)[:SHOWN]!r} is not a weights file. Give a "
            f"file that ends in {', '.join(WEIGHTS_SUFFIXES)}; 'weights: none' is for a whole run."
        )
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "no such file")
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BadSpec(
            f"backbones: {label}: cannot read the weights file {path}: {error.strerror}."
        ) from None
    return network.model_copy(update={"weights": f"{digest}{path.suffix}", "weights_file": path})
