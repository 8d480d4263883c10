"""Which precision is chosen for a backbone on a device."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs.catalog.backbones import CATALOG  # noqa: E402
from models.networks.build import skeleton  # noqa: E402
from models.runtime.device import MOSTLY_DEPTHWISE, choose_precision, depthwise_share  # noqa: E402


def test_automatic_precision_follows_the_hardware_and_a_wish_is_a_wish() -> None:
    """bf16 on a CPU that multiplies it fast, else fp32; a requested precision is used."""
    cpu, resnet, mobilenet = (
        torch.device("cpu"),
        skeleton("resnet34", 2),
        skeleton("mobilenet-v3", 2),
    )
    flags = Path("/proc/cpuinfo").read_text()
    fast = "amx_bf16" in flags or "avx512_bf16" in flags

    assert choose_precision("auto", cpu, resnet) == ("bf16" if fast else "fp32")
    assert choose_precision("fp32", cpu, resnet) == "fp32"
    assert choose_precision("bf16", cpu, mobilenet) == "bf16"


def test_depthwise_convolutions_stay_in_float32_on_a_processor() -> None:
    """They are slower in bf16 on every CPU that was measured; read off the layers, not a list."""
    shares = {name: depthwise_share(skeleton(name, 2)) for name in CATALOG}
    mostly = [name for name, share in shares.items() if share >= MOSTLY_DEPTHWISE]

    assert mostly == ["mobilenet-v3"]
    assert shares["resnet34"] == 0
    assert choose_precision("auto", torch.device("cpu"), skeleton("mobilenet-v3", 2)) == "fp32"
