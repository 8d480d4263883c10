"""Which precision is chosen for a backbone on a device."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from models.runtime.device import choose_precision  # noqa: E402


def test_automatic_precision_follows_the_hardware_and_a_wish_is_a_wish() -> None:
    """bf16 on a CPU that multiplies it fast, else fp32; a requested precision is used."""
    cpu = torch.device("cpu")
    flags = Path("/proc/cpuinfo").read_text()
    fast = "amx_bf16" in flags or "avx512_bf16" in flags

    assert choose_precision("auto", cpu, "resnet34") == ("bf16" if fast else "fp32")
    assert choose_precision("fp32", cpu, "resnet34") == "fp32"
    assert choose_precision("bf16", cpu, "mobilenet-v3") == "bf16"


def test_depthwise_convolutions_stay_in_float32_on_a_processor() -> None:
    """They are slower in bf16 on every CPU that was measured."""
    assert choose_precision("auto", torch.device("cpu"), "mobilenet-v3") == "fp32"
