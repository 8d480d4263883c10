"""Describe one network outside the catalog: its preparation, costs and layers.

`python -m models.networks.describe LABEL` prints it as JSON; `orch models NAME` runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jobs.errors import OrchError
from models.networks import check
from models.networks.summary import summarise


def describe(
    label: str, classes: int, image_size: int | None, source: Path | None
) -> dict[str, Any]:
    """What is known of a network, and its layers; raises an `OrchError` if it cannot be used."""
    own = None if source is None else str(source)
    facts = check.check(check.NetworkRequest(label, {"image_size": image_size}, own), classes, None)
    table = summarise(label, classes, facts["image_size"], source)
    layers = [
        {"layer": row.layer, "output": list(row.output), "parameters": row.parameters}
        for row in table.rows
    ]
    return {"name": label, "classes": classes, **facts, "layers": layers}


def main() -> None:
    """Print the description, or why there is none; what networks print goes to the error output."""
    output, sys.stdout = sys.stdout, sys.stderr
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label")
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--source", type=Path)
    given = parser.parse_args()
    try:
        answer = describe(given.label, given.classes, given.image_size, given.source)
    except OrchError as error:
        answer = {"refused": check.refusal(error)}
    print(json.dumps(answer), file=output, flush=True)


if __name__ == "__main__":
    main()
