"""Peak memory and energy of a training, with a stand-in for NVML; a real GPU's counter is not
tested here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from support.learning import Laboratory, stop_after  # noqa: E402

from jobs.errors import Stopped  # noqa: E402
from models.runtime.resource_meter import Meter, identity, millijoules  # noqa: E402

CPU = torch.device("cpu")


@dataclass
class FakeNvml:
    """A machine with one GPU whose counter returns these values in turn; an exception among them is
    raised.
    """

    counts: list[Any]
    opened: int = 0
    asked: list[str] = field(default_factory=list)

    def nvmlInit(self) -> None:
        """Count an opening."""
        self.opened += 1

    def nvmlShutdown(self) -> None:
        """Count a closing."""
        self.opened -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        """The identity itself."""
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> Any:
        """The next value."""
        count = self.counts.pop(0)
        if isinstance(count, Exception):
            raise count
        return count


def test_energy_is_the_difference_of_the_counter_in_joules() -> None:
    """The GPU is queried by its identity, and the library is closed as often as it was opened."""
    nvml = FakeNvml([1_000_500, 4_000_500])
    meter = Meter(CPU, 2.5, nvml, "GPU-a", millijoules(nvml, "GPU-a"))
    facts = meter.read()

    assert facts["energy_joules"] == 3000.0
    assert facts["measured_from"] == 2.5
    assert nvml.asked == ["GPU-a", "GPU-a"]
    assert nvml.opened == 0


@pytest.mark.parametrize(
    "counts",
    [
        [RuntimeError("Not Supported"), 5],
        [5, RuntimeError("GPU is lost")],
        [9, 5],
        [None, 5],
        [5, "much"],
    ],
    ids=["no counter", "lost on the way", "began anew", "nothing", "no number"],
)
def test_a_counter_that_fails_leaves_energy_out_and_nothing_else(counts: list[Any]) -> None:
    """Memory is still reported."""
    nvml = FakeNvml(counts)
    facts = Meter(CPU, 0.0, nvml, "GPU-a", millijoules(nvml, "GPU-a")).read()

    assert "energy_joules" not in facts
    assert facts["peak_memory_bytes"] > 10_000_000
    assert nvml.opened == 0


def test_a_processor_has_no_energy_and_no_identity() -> None:
    """No library is opened either."""
    meter = Meter.begin(CPU, 0.0)

    assert identity(CPU) is None
    assert (meter.nvml, meter.before) == (None, None)
    assert "energy_joules" not in meter.read()


def test_an_outcome_tells_memory_and_from_where_the_last_attempt_measured(
    animal_folder: Path, tmp_path: Path
) -> None:
    """The second period starts at 1; an interrupted one at its resume point."""
    laboratory = Laboratory.of(tmp_path / "store", animal_folder, image_size=32)
    laboratory.prepare()
    trial = laboratory.trial("squeezenet", [1, 2, 3], batch_size=8)
    whole = [laboratory.train(trial, epoch) for epoch in (1, 2)]
    with pytest.raises(Stopped):
        laboratory.train(trial, 3, should_stop=stop_after(3))
    rest = laboratory.train(trial, 3)

    assert any(message.get("memory_bytes", 0) > 10_000_000 for message in laboratory.told)
    assert [outcome["measured_from"] for outcome in whole] == [0.0, 1.0]
    assert 2 < rest["measured_from"] < 3
    assert all(outcome["peak_memory_bytes"] > 10_000_000 for outcome in [*whole, rest])
    assert not any("energy_joules" in outcome for outcome in whole)
