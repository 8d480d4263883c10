"""Inspecting, submitting and preparing 10,000 to 100,000 small files: time and memory by file.

    python benchmarks/data_scale.py                       # makes the files, and removes them
    python benchmarks/data_scale.py --files 1000,3000     # a quick look

Each step runs in a process of its own, so that its peak memory is its own. Beside them runs
torchvision's ImageFolder, which lists the files and decodes each once. Neither time nor memory may
grow faster than the files.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

CLASSES, SIDE, SIZE = 20, 16, 32
MOST_GROWTH = 1.3
"""How much more a file may cost among the most files than among the fewest; disks are noisy."""
IDLE_MIB = 50.0
"""Memory that may be added without counting as growth: pools, buffers, what is loaded late."""


def main() -> int:
    """Make the files, measure each step at each number of them, and print."""
    options = _parse_options()
    if options.step:
        print(json.dumps(_measure(options.step, Path(options.folder), Path(options.scratch))))
        return 0
    numbers = sorted(int(number) for number in options.files.split(","))
    figures: dict[str, list[dict[str, float]]] = {step: [] for step in STEPS}
    for number in numbers:
        with tempfile.TemporaryDirectory(prefix="orch-benchmark-", dir=options.scratch) as scratch:
            common.say(f"{number:,} files: making them")
            folder = make(Path(scratch, "images"), number)
            for step in STEPS:
                common.say(f"{number:,} files: {step}")
                figures[step].append(_in_child(step, folder, Path(scratch)))
    common.say("")
    rows = [row for step in STEPS for row in _rows(step, numbers, figures[step])]
    head = ["step", "files", "seconds", "s per 1,000", "MiB before", "peak MiB", "MiB per 1,000"]
    goals = [goal for step in STEPS[:-1] for goal in _goals(step, numbers, figures[step])]
    title = f"Data sets of {numbers[0]:,} to {numbers[-1]:,} PNGs of {SIDE} x {SIDE} pixels"
    shown = common.table(head, rows)
    return common.publish(title, shown, goals, figures, options.json, options.check)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", default="10000,30000,100000", metavar="N,...")
    parser.add_argument("--scratch", metavar="FOLDER", help="where files and arrays are written")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a goal is missed")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def make(folder: Path, number: int) -> Path:
    """Class folders with so many different images, all of the same size."""
    import numpy as np
    from PIL import Image

    for label in range(CLASSES):
        (folder / f"class-{label:02d}").mkdir(parents=True)
    random = np.random.default_rng(number)
    for each in range(number):
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        place = folder / f"class-{each % CLASSES:02d}" / f"{each:06d}.png"
        Image.fromarray(pixels).save(place, compress_level=1)
    return folder


def _in_child(step: str, folder: Path, scratch: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--scratch", str(scratch)], stdout=subprocess.PIPE, text=True, check=True
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _measure(step: str, folder: Path, scratch: Path) -> dict[str, float]:
    """Seconds, and MiB before and at the most, of a step in this process and its children."""
    work = _WORK[step](folder, scratch)
    before, started = _peak_mib(), time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - started, "before": before, "peak": _peak_mib()}


def _peak_mib() -> float:
    """The most of this process, or of its largest child."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024


def _inspect(folder: Path, scratch: Path) -> Callable[[], object]:
    from jobs.data import image_folder
    from jobs.spec.model import DataSettings
    from orchestrator.analysis import image_similarity
    from orchestrator.datasets import look
    from orchestrator.datasets.inspect import inspect_source

    for module in (look, image_similarity):  # loaded before the clock starts
        assert module
    settings = DataSettings(image_size=SIZE)
    return lambda: inspect_source(image_folder.read_folder(folder), settings)


def _submit(folder: Path, scratch: Path) -> Callable[[], object]:
    """All of `orch submit` but starting workers: checks, notes, and recording the run."""
    from jobs.settings import Settings
    from jobs.spec import model
    from jobs.store.store import Store
    from orchestrator import preflight
    from orchestrator.datasets import at_submit
    from orchestrator.submission import run_creation

    asked = {"data": str(folder), "backbones": ["scratch"], "image_size": SIZE, "weights": "none"}
    settings = Settings(scratch / "store", "redis://nowhere", None)

    def work() -> None:
        request = preflight.check_request(
            model.build(asked), settings, lambda url: None, lambda names, place: None
        )
        at_submit.lines(request.source, request.spec)
        run_creation.create_run(
            Store(scratch / "store").open(create=True), request.spec, request.source
        )

    return work


def _prepare(folder: Path, scratch: Path) -> Callable[[], object]:
    from jobs.data import image_folder
    from jobs.spec.model import DataSettings
    from models.data.prepare_data_set import prepare_folder

    cores = common.machine()["cores"]
    source = image_folder.read_folder(folder)
    settings = DataSettings(image_size=SIZE)
    return lambda: prepare_folder(source, settings, scratch / "prepared", processes=cores)


def _image_folder(folder: Path, scratch: Path) -> Callable[[], object]:
    from torchvision.datasets import ImageFolder

    def work() -> None:
        for image, _ in ImageFolder(folder):
            image.load()

    return work


_WORK: dict[str, Callable[[Path, Path], Callable[[], object]]] = {
    "inspect": _inspect,
    "submit": _submit,
    "prepare": _prepare,
    "ImageFolder": _image_folder,
}
STEPS = tuple(_WORK)


def _rows(step: str, numbers: list[int], figures: list[dict[str, float]]) -> list[list[Any]]:
    return [
        [
            step,
            f"{number:,}",
            one["seconds"],
            one["seconds"] * 1000 / number,
            one["before"],
            one["peak"],
            (one["peak"] - one["before"]) * 1000 / number,
        ]
        for number, one in zip(numbers, figures, strict=True)
    ]


def _goals(step: str, numbers: list[int], figures: list[dict[str, float]]) -> list[common.Goal]:
    """Growth of the cost of a file from the fewest to the most files."""
    files = numbers[-1] / numbers[0]
    few, many = figures[0], figures[-1]
    seconds = many["seconds"] / few["seconds"] / files
    added = [max(one["peak"] - one["before"], IDLE_MIB) for one in (few, many)]
    return [
        common.Goal(f"{step}: seconds a file, growth", seconds, MOST_GROWTH, at_most=True),
        common.Goal(
            f"{step}: memory a file, growth", added[1] / added[0] / files, MOST_GROWTH, at_most=True
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
