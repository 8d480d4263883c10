"""The layer table compared with the study's, line by line."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra 'worker')")

from jobs.catalog.backbones import CATALOG
from models.networks.summary import summarise

STUDY = """
Conv2d-1 16x224x224 448
MaxPool2d-2 16x112x112 0
BatchNorm2d-3 16x112x112 32
Conv2d-4 32x112x112 4640
MaxPool2d-5 32x56x56 0
BatchNorm2d-6 32x56x56 64
Conv2d-7 64x56x56 18496
MaxPool2d-8 64x28x28 0
BatchNorm2d-9 64x28x28 128
Conv2d-10 128x28x28 73856
MaxPool2d-11 128x14x14 0
BatchNorm2d-12 128x14x14 256
Conv2d-13 256x14x14 295168
MaxPool2d-14 256x7x7 0
BatchNorm2d-15 256x7x7 512
Dropout-16 12544 0
Linear-17 512 6423040
Linear-18 256 131328
Linear-19 128 32896
Dropout-20 128 0
Linear-21 20 2580
"""


def test_the_scratch_network_is_the_studys_to_the_last_parameter() -> None:
    """All 21 lines and the total of 6,983,444 at 20 classes."""
    found = summarise("scratch", 20)
    lines = [f"{row.layer} {'x'.join(map(str, row.output))} {row.parameters}" for row in found.rows]

    assert lines == STUDY.split("\n")[1:-1]
    assert found.total == 6_983_444


@pytest.mark.parametrize("name", CATALOG)
def test_the_rows_of_any_network_add_up_to_its_total(name: str) -> None:
    """No layer is missed, none counted twice, and the last row that learns has an output for each
    class.
    """
    found = summarise(name, 7)

    assert sum(row.parameters for row in found.rows) == found.total == CATALOG[name].parameters(7)
    assert [row for row in found.rows if row.parameters][-1].output[0] == 7
