"""A ranking without the networks whose pretrained weights are not on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jobs.catalog.backbones import CATALOG
from jobs.catalog.reference import parse
from jobs.errors import MissingWeights, RequestError
from jobs.settings import Settings
from jobs.spec.model import Spec
from jobs.spec.networks import Network
from models.networks import weights
from orchestrator import network_check

HINT = " Or leave such networks out with --skip-missing."


@contextlib.contextmanager
def hinting(skips: bool) -> Iterator[None]:
    """Missing weights are told with the option that ranks the other networks."""
    try:
        yield
    except MissingWeights as error:
        raise MissingWeights(f"{error}{'' if skips else HINT}") from None


def present(spec: Spec, settings: Settings) -> tuple[Spec, tuple[str, ...]]:
    """`without_missing`; raises `RequestError` where other machines may do the work."""
    if settings.broker_url is not None:
        raise RequestError(
            "--skip-missing looks for weights on this machine, but ORCH_BROKER_URL is set, so "
            "others may do the work. Leave it out."
        )
    return without_missing(spec, settings.weights_dir)


def without_missing(spec: Spec, weights_dir: Path | None) -> tuple[Spec, tuple[str, ...]]:
    """The specification without them, and what was left out; raises `MissingWeights` for all.

    Weights that can be downloaded are. Only torch can look for those outside the catalog.
    """
    own = {name for name, network in spec.networks.items() if network.weights is not None}
    libraries = ("torchvision", "timm")
    foreign = [n for n in spec.backbones if n not in own and parse(n).library in libraries]
    absent = [
        *_of_catalog([n for n in spec.backbones if n in CATALOG and n not in own], weights_dir),
        *network_check.without_weights(foreign, weights_dir),
    ]
    kept = tuple(name for name in spec.backbones if name not in absent)
    if not kept:
        raise MissingWeights(
            f"the weights of none of {', '.join(spec.backbones)} are on this machine, so there is "
            "nothing to rank. Put them into a folder and set ORCH_WEIGHTS_DIR to it."
        )
    networks: dict[str, Network] = {k: one for k, one in spec.networks.items() if k in kept}
    return spec.model_copy(update={"backbones": kept, "networks": networks}), tuple(absent)


def _of_catalog(names: list[str], weights_dir: Path | None) -> list[str]:
    """Those of these networks whose weights are neither here nor can be downloaded."""
    absent: list[str] = []
    for name in names:
        downloads = None if absent else weights.DOWNLOADS  # one failed download tells all
        try:
            weights.find_weights(name, weights_dir, downloads=downloads)
        except MissingWeights:
            absent.append(name)
    return absent
