"""Write how torchvision's and timm's weights want images, for machines without torch.

`python -m models.networks.library_preparations` (part of `make catalog`) writes
`jobs/catalog/library_preparations.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torchvision

from jobs.catalog import library_preparations
from jobs.errors import BadSpec
from models.networks import timm_networks, torchvision_networks


def preparation_of(label: str) -> dict[str, Any] | None:
    """What the installed library says of a network; None where orch cannot prepare its images."""
    library, _, name = label.partition(":")
    native = timm_networks.native if library == "timm" else torchvision_networks.native
    try:
        return native(name).model_dump(mode="json")
    except BadSpec:  # images that are no squares of three colours
        return None


def labels() -> list[str]:
    """All networks of the installed libraries, with and without the tags of their weights."""
    of_timm = sorted({*timm.list_models(), *timm.list_pretrained()})
    of_torchvision = sorted(torchvision_networks.names())
    return [
        *(f"torchvision:{name}" for name in of_torchvision),
        *(f"timm:{name}" for name in of_timm),
    ]


def table() -> dict[str, Any]:
    """The contents of the file: versions, and the networks with each preparation."""
    groups: dict[str, dict[str, Any]] = {}
    for label in labels():
        preparation = preparation_of(label)
        if preparation is not None:
            key = json.dumps(preparation)
            groups.setdefault(key, {"preparation": preparation, "networks": []})
            groups[key]["networks"].append(label)
    return {
        "torchvision": torchvision.__version__.partition("+")[0],
        "timm": timm.__version__,
        "groups": list(groups.values()),
    }


def main() -> None:
    """Write the generated file."""
    place = Path(str(library_preparations.__file__)).with_name(library_preparations.FILE)
    made = table()
    place.write_text(json.dumps(made, indent=1) + "\n")
    count = sum(len(group["networks"]) for group in made["groups"])
    print(f"wrote how images are prepared for {count} networks into {place}")


if __name__ == "__main__":
    main()
