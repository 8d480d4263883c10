"""The networks of a specification and how images are prepared for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from jobs.catalog.backbones import CATALOG
from jobs.errors import BadSpec
from jobs.spec.keys import KEYS, NATIVE
from jobs.spec.networks import (
    COUNTED,
    PREPARATION_KEYS,
    STUDY,
    Deviation,
    Interpolation,
    Mean,
    Network,
    Preparation,
    Resize,
    Share,
    Size,
)
from jobs.spec.recipe import DataSettings, SplitSettings, key_field
from jobs.spec.requirements import Requires

Native = Literal["native"]
PIXEL_KEYS = ("resize", "interpolation", "crop")
"""Keys of preparation that change pixels, beside the size."""


class NetworkSettings(SplitSettings):
    """The networks of a run and their preparation.

    `backbones` are the labels of the networks, as the column `backbone` holds them. `networks` are
    the facts beyond their names, read from the entries of `backbones` in a specification.
    """

    backbones: tuple[str, ...] = Field(min_length=1, description=KEYS["backbones"].meaning)
    image_size: Size | Native = key_field("image_size")
    resize: Resize | Native = key_field("resize")
    interpolation: Interpolation | Native = key_field("interpolation")
    crop: Share | Native = key_field("crop")
    mean: Mean | Native = key_field("mean")
    deviation: Deviation | Native = key_field("deviation")
    requires: Requires = key_field("requires")
    networks: dict[str, Network] = Field(default={}, description="facts on networks by label")

    @field_validator("image_size", mode="before")
    @classmethod
    def _whole_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("a number is needed, not true or false")
        return value

    def asked_of(self, backbone: str) -> dict[str, Any]:
        """The preparation of a network by key, None where its weights are still to be asked."""
        own = self.networks.get(backbone, Network()).asked
        run = {key: value for key in PREPARATION_KEYS if (value := getattr(self, key)) != NATIVE}
        study = STUDY.model_dump() if backbone in CATALOG else dict.fromkeys(PREPARATION_KEYS)
        return study | run | own

    @property
    def has_requirements(self) -> bool:
        """Whether any network requires anything of its worker's device."""
        return bool(self.requires) or any(each.requires for each in self.networks.values())

    def gpu_memory_of(self, backbone: str) -> int:
        """Bytes of memory that a worker's GPU must have for a network; 0 if nothing is required."""
        required = self.networks.get(backbone, Network()).requires or self.requires
        return required.gpu_memory_bytes if required else 0

    def unprepared(self) -> list[str]:
        """The networks whose preparation has to be asked of their weights."""
        return [name for name in self.backbones if None in self.asked_of(name).values()]

    def preparation_of(self, backbone: str) -> Preparation:
        """How images are prepared for a network; raises `BadSpec` while that is not known."""
        asked = self.asked_of(backbone)
        if None in asked.values():
            missing = ", ".join(key for key, value in asked.items() if value is None)
            raise BadSpec(f"the preparation of {backbone} is not known: {missing}.")
        return Preparation(**asked)

    def with_native(self, natives: Mapping[str, Network]) -> Self:
        """The same with what the networks' own weights ask for, where nothing else is given."""
        described = dict(self.networks)
        for name, native in natives.items():
            own = described.get(name, Network())
            missing = {
                key: getattr(native, key)
                for key, value in self.asked_of(name).items()
                if value is None
            }
            counted = {key: getattr(native, key) for key in COUNTED}
            described[name] = own.model_copy(update=missing | counted)
        return self.model_copy(update={"networks": described})

    @property
    def with_margin(self) -> bool:
        """Whether images are stored with a margin, for random crops."""
        return False

    def data_settings(self, backbone: str | None = None) -> DataSettings:
        """The settings of a network's data set; without one, of the run's first network.

        Networks with other settings than the study's get the split that the study's would give.
        """
        wanted = self.preparation_of(self.backbones[0] if backbone is None else backbone)
        split_size = STUDY.image_size if self.image_size == NATIVE else self.image_size
        chosen = {key: getattr(self, key) for key in SplitSettings.model_fields}
        pixels = {key: getattr(wanted, key) for key in (*PIXEL_KEYS, "image_size")}
        study = all(pixels[key] == getattr(STUDY, key) for key in PIXEL_KEYS)
        if not study or wanted.image_size != split_size or self.with_margin:
            chosen["split_size"] = split_size
        chosen["margin"] = self.with_margin
        return DataSettings(**chosen, **pixels)
