"""LogME: how likely labels are under a Bayesian linear model of features, before any training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
ROUNDS = 50
CLOSE = 1e-6
AT_ONCE = 4096


def logme(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], classes: int) -> float:
    """The logarithm of the maximum evidence per image, as a mean over classes; higher is better.

    You, Liu, Wang and Long 2021, LogME: Practical Assessment of Pre-trained Models for Transfer
    Learning, ICML (PMLR 139:12133-12143), equations 2 to 5. Each class is a target of zeros and
    ones; the precisions of weights and noise are those of the highest evidence. Only products of
    the features (n, d) are kept, so memory is that of d x d. Classes without an image are left out.
    """
    squared, products = _products(features, labels, classes)
    spectrum, axes = np.linalg.eigh(squared)
    spectrum = np.clip(spectrum, 0.0, None)
    counts = np.bincount(labels, minlength=classes)
    projected = (axes.T @ products) ** 2
    present = np.flatnonzero(counts)
    each = [
        _evidence(spectrum, projected[:, label], float(counts[label]), len(labels))
        for label in present
    ]
    return float(np.mean(each))


def _products(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], classes: int
) -> tuple[Values, Values]:
    """F'F (d, d) and F'Y (d, classes) in double precision, a part of the images at a time."""
    width = features.shape[1]
    squared, products = np.zeros((width, width)), np.zeros((width, classes))
    for start in range(0, len(features), AT_ONCE):
        part = np.asarray(features[start : start + AT_ONCE], np.float64)
        target = np.zeros((len(part), classes))
        target[np.arange(len(part)), labels[start : start + AT_ONCE]] = 1.0
        squared += part.T @ part
        products += part.T @ target
    return squared, products


def _evidence(spectrum: Values, projected: Values, total: float, images: int) -> float:
    """The highest log evidence per image of one target, over both precisions.

    `spectrum` (d) are the eigenvalues of F'F, `projected` the squares of F'y along its axes, and
    `total` is y'y. The precisions are found by MacKay's fixed point, as in the paper.
    """
    weights, noise = 1.0, 1.0
    for _ in range(ROUNDS):
        size, residual, used = _fit(spectrum, projected, total, weights, noise)
        before = weights / noise
        weights = max(used, 1e-12) / max(size, 1e-12)
        noise = max(images - used, 1e-12) / max(residual, 1e-12)
        if abs(weights / noise - before) <= CLOSE * before:
            break
    return evidence(spectrum, projected, total, images, weights, noise)


def evidence(
    spectrum: Values, projected: Values, total: float, images: int, weights: float, noise: float
) -> float:
    """The log evidence per image at these precisions of weights and noise (equation 2)."""
    size, residual, _ = _fit(spectrum, projected, total, weights, noise)
    determinant = np.log(weights + noise * spectrum).sum()
    return float(
        (
            images * np.log(noise)
            + len(spectrum) * np.log(weights)
            - images * np.log(2 * np.pi)
            - noise * residual
            - weights * size
            - determinant
        )
        / (2 * images)
    )


def _fit(
    spectrum: Values, projected: Values, total: float, weights: float, noise: float
) -> tuple[float, float, float]:
    """m'm and the squared error of the mean weights m, and the number of weights that data set."""
    precision = weights + noise * spectrum
    size = float((noise**2 * projected / precision**2).sum())
    explained: Any = noise * projected / precision
    bent = noise**2 * spectrum * projected / precision**2
    residual = max(total - 2 * float(explained.sum()) + float(bent.sum()), 0.0)
    return size, residual, float((noise * spectrum / precision).sum())
