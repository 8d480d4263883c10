"""How images are prepared for each network, in words."""

from __future__ import annotations

from jobs.spec.model import Spec
from jobs.spec.networks import STUDY

RESIZED = {
    "squash": "squashed, centre crop",
    "crop": "short side resized, centre crop",
    "pad": "long side resized, padded",
}


def told(spec: Spec, backbone: str) -> str:
    """The preparation of a network's images; what is as in the study is left out."""
    wanted = spec.preparation_of(backbone)
    size = f"{wanted.image_size} x {wanted.image_size} pixels"
    usual = STUDY.model_copy(update={"image_size": wanted.image_size})
    if wanted == usual:
        return f"{size} (resized, centre crop)"
    parts = [RESIZED[wanted.resize], f"{100 * wanted.crop:.4g}%", wanted.interpolation]
    if (wanted.mean, wanted.deviation) != (STUDY.mean, STUDY.deviation):
        parts.append(f"mean {_colour(wanted.mean)}, deviation {_colour(wanted.deviation)}")
    return f"{size} ({', '.join(parts)})"


def varies(spec: Spec) -> bool:
    """Whether networks of a run get their images prepared in different ways."""
    return len({told(spec, name) for name in spec.backbones}) > 1


def _colour(values: tuple[float, ...]) -> str:
    shown = [f"{value:.3g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else "/".join(shown)
