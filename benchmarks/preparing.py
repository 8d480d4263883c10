"""Preparing a data set: `prepare_folder` on all cores, compared with one process using Pillow.

    python benchmarks/preparing.py                            # 10,000 synthetic JPEGs
    python benchmarks/preparing.py --images photographs/      # a folder of class folders

Both write the same array of 224 x 224 pixels; the benchmark checks that every pixel is equal. Ours
also checks each file's digest, detects broken files, and splits the data. `read_folder` is what
`orch submit` does.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np

SIZE, SIDE = 224, 256
PER_CORE = 0.9
DIFFERENT = 1000


def main() -> int:
    """Make the images or use those of a folder; measure and print."""
    options = _parse_options()
    with tempfile.TemporaryDirectory(prefix="orch-benchmark-", dir=options.scratch) as scratch:
        common.say("making photographs" if options.images is None else "")
        folder = options.images or copies(
            DIFFERENT, Path(scratch, "photographs"), options.images_count
        )
        return measure(folder, Path(scratch), options)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="take the JPEGs of this folder of class folders",
    )
    parser.add_argument(
        "--images-count", type=int, default=10_000, metavar="N", help="how many to make (10000)"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="measurements of each (3)"
    )
    parser.add_argument(
        "--processes", type=int, default=common.machine()["cores"], metavar="N", help="(the cores)"
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="FOLDER", help="where images and arrays are written"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="exit code 1 where the goal is missed")
    return parser.parse_args()


def measure(folder: Path, scratch: Path, options: argparse.Namespace) -> int:
    """Measure images per second of the Pillow loop, of ours, and of hashing, on cached files.

    The goal is per process.
    """
    from jobs.data import image_folder

    source = image_folder.read_folder(folder)
    paths = [folder / entry.path for entry in source.entries]
    ours = scratch / "ours"
    works: dict[str, Callable[[], object]] = {
        "one process with PIL": lambda: plain(paths, scratch / "plain.bin"),
        "prepare_folder": lambda: _ours(source, ours, options.processes),
        "read_folder (hashing at submit)": lambda: image_folder.read_folder(folder),
    }
    rivals = {name: functools.partial(_rate, len(paths), work) for name, work in works.items()}
    speeds = common.interleaved(rivals, options.repeats, f"{len(paths)} JPEGs,", warm_ups=0)
    require_equal(scratch / "plain.bin", ours / "images.npy")
    median_speed = common.medians(speeds)
    gain = common.paired(speeds, "prepare_folder", "one process with PIL")
    rows = [
        [name, value, value / median_speed["one process with PIL"]]
        for name, value in median_speed.items()
    ]
    goal = common.Goal(
        f"prepare_folder with {options.processes} processes against one with PIL, per process",
        gain / options.processes,
        PER_CORE,
    )
    kilobytes = sum(entry.bytes for entry in source.entries) / len(paths) / 1000
    figures = {
        "images": len(paths),
        "kilobytes": kilobytes,
        "processes": options.processes,
        "images_per_second": speeds,
    }
    shown = common.table(["", "images/s", "times the loop"], rows)
    title = f"Preparing {len(paths):,} JPEGs of {kilobytes:.0f} kB"
    return common.publish(title, shown, [goal], figures, options.json, options.check)


def _rate(images: int, work: Callable[[], object]) -> float:
    return images / common.timed(work)


def _ours(source: object, target: Path, processes: int) -> None:
    from jobs.spec.model import DataSettings
    from models.data.prepare_data_set import prepare_folder

    shutil.rmtree(target, ignore_errors=True)
    prepare_folder(source, DataSettings(image_size=SIZE), target, processes=processes)  # type: ignore[arg-type]


def plain(paths: list[Path], target: Path) -> None:
    """The hand-written loop: decode, resize, crop and write each image."""
    from PIL import Image

    margin = (SIDE - SIZE) // 2
    with target.open("wb") as handle:
        for path in paths:
            with Image.open(path) as image:
                resized = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            handle.write(
                np.asarray(resized.crop((margin, margin, margin + SIZE, margin + SIZE))).tobytes()
            )


def require_equal(plainly: Path, prepared: Path) -> None:
    """Exit with a message if the two arrays differ anywhere."""
    ours = np.load(prepared, mmap_mode="r")
    theirs = np.memmap(plainly, np.uint8, "r").reshape(ours.shape)
    if not all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)):
        sys.exit("the two arrays differ: nothing is measured.")


def copies(different: int, folder: Path, count: int) -> Path:
    """Make a folder of `count` photographs, of which `different` are unique.

    The others are copies. Every file is decoded, so copies cost the same time.
    """
    import photographs

    photographs.make(folder, min(different, count))
    made = sorted(folder.rglob("*.jpg"))
    for number in range(len(made), count):
        original = made[number % len(made)]
        shutil.copyfile(original, original.with_name(f"{number:05d}.jpg"))
    return folder


if __name__ == "__main__":
    sys.exit(main())
