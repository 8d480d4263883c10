"""A Python file that makes the network without orch, with the library's own names of parameters."""

from __future__ import annotations

import inspect
from pkgutil import resolve_name
from typing import Any

from jobs.catalog.backbones import CATALOG
from jobs.catalog.reference import parse
from jobs.store.network_files import network_file
from jobs.store.store import Store
from jobs.task import Trial
from models.networks import own_networks, timm_networks, torchvision_networks

FILE = "network.py"
OWN_FILE = "own_network.py"
HEADS = {
    "convolution-3x3": "network.classifier[1] = torch.nn.Conv2d(512, {classes}, 3)",
}
"""Heads that differ from the one that torchvision makes for so many classes."""

WITHOUT_AUXILIARY = {"aux_logits": False, "transform_input": True, "init_weights": False}
"""Arguments of GoogLeNet and Inception: the main output only, as they are trained."""

TEXT = '''"""{label} for {classes} classes. Its trained values are in the file of the model."""

{imports}


def make():
    """The network, before its trained values are loaded."""
    {lines}
'''


def files(store: Store, trial: Trial, classes: int) -> dict[str, str]:
    """File names and texts; `network.py` has a function `make()` that returns the network."""
    imports, lines, beside = _parts(store, trial, classes)
    text = TEXT.format(
        label=trial.backbone,
        classes=classes,
        imports="\n".join(f"import {each}" for each in imports),
        lines="\n    ".join(lines),
    )
    return {FILE: text} | ({} if beside is None else {OWN_FILE: beside})


def _parts(
    store: Store, trial: Trial, classes: int
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Modules to import, the lines of `make`, and an own file if there is one."""
    if trial.backbone in CATALOG:
        return _of_catalog(trial.backbone, classes)
    reference = parse(trial.backbone)
    size = store.described(trial.data).settings.image_size
    if reference.library == "torchvision":
        arguments = torchvision_networks.size_arguments(reference.name, size)
        if torchvision_networks.auxiliary_of(reference.name):
            arguments = arguments | WITHOUT_AUXILIARY
        given = _call(f"{reference.name!r}, weights=None", classes, arguments)
        return ("torchvision",), (f"return torchvision.models.get_model({given})",), None
    if reference.library == "timm":
        arguments = timm_networks.size_arguments(reference.name, size)
        given = _call(repr(reference.name), classes, arguments)
        return ("timm",), (f"return timm.create_model({given})",), None
    if reference.library == "entry":
        entry_points = f"importlib.metadata.entry_points(group={own_networks.GROUP!r})"
        line = f"return {entry_points}[{reference.name!r}].load()({classes})"
        return ("importlib.metadata",), (line,), None
    source = None if trial.network is None else trial.network.source
    path = network_file(store, f"{source}.py")
    return (
        ("own_network",),
        (f"return own_network.{reference.name}({classes})",),
        path.read_text(encoding="utf-8"),
    )


def _of_catalog(name: str, classes: int) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    entry = CATALOG[name]
    if entry.torchvision_name is None:
        own = resolve_name(str(entry.own))
        line = f"return own_network.{own.__name__}({classes})"
        return ("own_network",), (line,), inspect.getsource(inspect.getmodule(own) or own)
    given = _call(f"{entry.torchvision_name!r}, weights=None", classes, {})
    made = f"torchvision.models.get_model({given})"
    head = HEADS.get(str(entry.head))
    if head is None:
        return ("torchvision",), (f"return {made}",), None
    lines = (f"network = {made}", head.format(classes=classes), "return network")
    return ("torch", "torchvision"), lines, None


def _call(first: str, classes: int, arguments: dict[str, Any]) -> str:
    words = {"num_classes": classes} | arguments
    return ", ".join([first, *(f"{key}={value!r}" for key, value in words.items())])
