"""Find networks of torchvision and timm by their names, with what is known of them.

`python -m models.networks.search WORD` prints them as JSON; `orch models --search` runs it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

from jobs.errors import MissingWeights, OrchError
from models.networks import costs, libraries, licences, torchvision_networks, weights
from models.networks.libraries import Wanted

CLASSES = 20


def matching(word: str) -> list[str]:
    """The labels of all networks whose name holds a word, and timm's tags of weights with them."""
    labels = [f"torchvision:{name}" for name in torchvision_networks.names()]
    if importlib.util.find_spec("timm") is not None:
        import timm

        labels += [f"timm:{name}" for name in timm.list_models()]
    return [label for label in labels if word.lower() in label.lower()]


def facts(
    label: str, classes: int, image_size: int | None, weights_dir: Path | None
) -> dict[str, Any]:
    """What is known of a network; counts are None where it cannot be built without values."""
    known: dict[str, Any] = {"name": label, "parameters": None, "gmacs": None}
    try:
        native = libraries.native(Wanted(label, 224))
    except OrchError as error:
        return known | {"problem": str(error)}
    size = image_size or native.image_size
    known |= native.model_dump(mode="json") | {"counted_at": size}
    known |= {"licence": licences.of_network(label), "weights_here": _here(label, weights_dir)}
    try:
        network = libraries.skeleton(Wanted(label, size), classes)
        gmacs = costs.of_image(network, size).gmacs
    except Exception as error:  # of the network's own code
        return known | {"problem": " ".join(str(error).split())[:200]}
    known["parameters"] = sum(value.numel() for value in network.parameters())
    known["gmacs"] = round(gmacs, 3)
    return known


def _here(label: str, weights_dir: Path | None) -> bool:
    try:
        weights.find_weights(label, weights_dir, downloads=None)
    except MissingWeights:
        return False
    return True


def main() -> None:
    """Print the facts of the networks that match, at most so many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word")
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--weights-dir", type=Path)
    parser.add_argument("--most", type=int, default=20)
    given = parser.parse_args()
    labels = matching(given.word)
    shown = [
        facts(label, given.classes, given.image_size, given.weights_dir)
        for label in labels[: given.most]
    ]
    print(json.dumps({"found": len(labels), "networks": shown, "names": labels}))


if __name__ == "__main__":
    main()
