"""Which packages of orch's extras are installed, and what each extra is for."""

from __future__ import annotations

from typing import NamedTuple

from jobs import install_hints
from jobs.versions import version_of
from orchestrator.doctor.diagnosis import Diagnosis


class Extra(NamedTuple):
    """Packages that an extra brings, by the names that pip knows, and what needs them."""

    packages: tuple[str, ...]
    needed_for: str


EXTRAS = {
    "worker": Extra(
        ("torch", "torchvision", "numpy", "pillow", "scikit-learn"),
        "training here, 'orch predict', 'orch export model'",
    ),
    "timm": Extra(("timm", "safetensors"), "networks named timm:NAME, and safetensors files"),
    "report": Extra(
        ("matplotlib", "jinja2", "numpy", "pillow", "scipy"), "'orch report', 'orch rank'"
    ),
    "flower": Extra(("flower",), "'orch flower'"),
    "metrics": Extra(("prometheus-client",), "'orch metrics'"),
    "tensorboard": Extra(("tensorboard",), "'orch export tensorboard'"),
    "mlflow": Extra(("mlflow-skinny", "sqlalchemy", "alembic"), "'orch export mlflow'"),
    "onnx": Extra(
        ("onnx", "onnxruntime", "onnxscript"),
        "'orch export model --format onnx', and ONNX and int8 in 'orch bench'",
    ),
}


def packages() -> list[Diagnosis]:
    """For each extra the installed packages, or what it would be for."""
    return [_extra(name, *extra) for name, extra in EXTRAS.items()]


def _extra(name: str, wanted: tuple[str, ...], needed_for: str) -> Diagnosis:
    versions = {package: version_of(package) for package in wanted}
    installed = [f"{package} {version}" for package, version in versions.items() if version]
    absent = [package for package, version in versions.items() if version is None]
    if not absent:
        return Diagnosis(f"packages for '{name}'", "ok", ", ".join(installed))
    there = f"; {', '.join(installed)} is there" if installed else ""
    return Diagnosis(
        f"packages for '{name}'",
        "optional",
        f"{', '.join(absent)} not installed{there}. It is for {needed_for}",
        install_hints.install_command(name),
    )
