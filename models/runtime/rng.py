"""Randomness that is counted, not carried: every draw comes from what it is for."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def derive_seed(*purpose: str | int) -> int:
    """A number below 2**63 from a purpose such as `("dropout", seed, epoch, step)`; the same on every machine."""
    text = "\0".join(str(part) for part in purpose)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def permutation(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits `count` images.

    It sorts the raw words of a Philox generator, whose stream NumPy keeps the same over its versions.
    """
    words = np.random.Philox(key=derive_seed("order", seed, epoch)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)
