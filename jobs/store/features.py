"""The record of features: what a network computes of a data set's images before its last layer."""

from __future__ import annotations

from jobs.store.records import Number, Record


class FeaturesRecord(Record, frozen=True, kw_only=True):
    """Features of a data set's images, as one network computes them: file, checksum and shape.

    `seconds` is how long that took, `energy_joules` what the GPU used meanwhile, and `trial` that
    which computed them; None where it was not measured, or earlier orchs did not record it.
    """

    file: str
    sha256: str
    data: str
    backbone: str
    shape: tuple[int, ...]
    seconds: Number | None = None
    energy_joules: Number | None = None
    trial: str | None = None
