"""Stateless RNG: seeds are derived from (purpose, seed, epoch, step)."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def derive_seed(*purpose: str | int) -> int:
    """A seed below 2**63 from a purpose such as `("dropout", seed, epoch, step)`.

    It is the same on every machine.
    """
    text = "\0".join(str(part) for part in purpose)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def permutation(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits `count` images.

    It sorts the raw words of a Philox generator, a stream that NumPy guarantees across versions.
    """
    words = np.random.Philox(key=derive_seed("order", seed, epoch)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)
