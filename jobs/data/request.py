"""What a user asks of the data: a place, and how its images belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.spec.model import Spec


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The keys of a specification that say where images, labels and groups come from.

    `images` is the folder that the paths of a labels file start from. `group_by` names its column
    of groups; `group_by_name` is a pattern that finds the group in the path of an image.
    """

    place: Path
    images: Path | None = None
    group_by: str | None = None
    group_by_name: str | None = None
    classes_at_top: bool = False

    @classmethod
    def of(cls, spec: Spec) -> DataRequest:
        """The request of a specification on a folder or file."""
        return cls(
            Path(spec.data),
            None if spec.images is None else Path(spec.images),
            spec.group_by,
            spec.group_by_name,
            spec.classes_at_top,
        )
