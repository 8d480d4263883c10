"""Which files of pretrained weights are on this machine, and whether they can be used."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from jobs import atomic, install_hints
from jobs.catalog import backbones
from jobs.errors import MissingWeights, OrchError
from jobs.settings import Settings
from models.networks import weights as files
from orchestrator import network_check
from orchestrator.doctor.diagnosis import Diagnosis

SHOWN = 10


def weights(settings: Settings) -> list[Diagnosis]:
    """Diagnoses of pretrained weights.

    One covers all files that training would find here for the catalog's networks. Each missing file
    gets one, and so does each whose content does not match its name. Files for other networks of
    torchvision and timm are listed.
    """
    return [*_of_catalog(settings), *_of_others(settings.weights_dir)]


def _of_catalog(settings: Settings) -> list[Diagnosis]:
    backbone_of: dict[str, str] = {}  # by file name; the first backbone that uses it
    for entry in backbones.CATALOG.values():
        if entry.weights_file:
            backbone_of.setdefault(str(entry.weights_file), entry.name)
    there: dict[str, Path] = {}
    for name, backbone in backbone_of.items():
        with contextlib.suppress(MissingWeights):
            there[name] = files.find_weights(backbone, settings.weights_dir, downloads=None)
    where = settings.weights_dir or f"{files.torch_cache()}; ORCH_WEIGHTS_DIR is not set"
    if not there:
        return [
            Diagnosis(
                "weights",
                "missing",
                f"none in {where}; 'orch submit' downloads what it needs",
                "without internet access: export ORCH_WEIGHTS_DIR=/folder/with/the/files "
                f"({', '.join(backbone_of)})",
            )
        ]
    try:
        refused = network_check.unsound_weights(
            [backbone_of[name] for name in there], settings.weights_dir
        )
    except OrchError as error:  # all that orch doctor has to say besides must not be lost
        remedy = f"reinstall torch with: {install_hints.install_command('worker')}"
        return [Diagnosis("weights", "broken", str(error), remedy)]
    sound = [name for name in there if backbone_of[name] not in refused]
    broken = [
        Diagnosis("weights", "broken", problem, "replace or remove it")
        for problem in refused.values()
    ]
    folders = ", ".join(sorted({str(there[name].parent) for name in sound}))
    ok = [Diagnosis("weights", "ok", f"{folders}: {', '.join(sound)}")] if sound else []
    absent = [name for name in backbone_of if name not in there]
    return [*ok, *broken, *(_missing_weights(name, where) for name in absent)]


def _missing_weights(name: str, where: Path | str) -> Diagnosis:
    remedy = f"put {name} there, or have it downloaded"
    return Diagnosis("weights", "missing", f"{name} is not in {where}", remedy)


def _of_others(folder: Path | None) -> list[Diagnosis]:
    """The files in the folder for networks outside the catalog; their contents are not read."""
    if folder is None:
        return []
    of_catalog = {entry.weights_file for entry in backbones.CATALOG.values()}
    listed = {
        "torchvision": [*_files(folder / "torchvision"), *_files(folder, of_catalog)],
        "timm": _files(folder / "timm"),
    }
    return [
        Diagnosis(
            f"weights for {library}:NAME",
            "ok",
            f"{len(names)} file(s) in {folder}: {_few(names)}; checked when they are used",
        )
        for library, names in listed.items()
        if names
    ]


def _files(folder: Path, left_out: Collection[str | None] = ()) -> list[str]:
    """The weights files right in a folder, without those of the catalog."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = atomic.list_names(folder)
    return [n for n in names if Path(n).suffix in files.SUFFIXES and n not in left_out]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more
