"""Everything that needs a GPU, in one call of under 8 minutes, into one JSON file; not yet run on a
GPU.

    python benchmarks/gpu.py --json gpu.json              on a machine with a GPU
    python benchmarks/gpu.py --device cpu --tiny     the same sections in small, as a test

Needs only `models/` and `jobs/` (run from the repository, nothing installed): torch 2.11,
torchvision 0.26, numpy, pillow, pyarrow, psutil, pyyaml, scikit-learn (for nothing but an import
where images are prepared), and pydantic 2 with its own needs (pydantic-core, annotated-types,
typing-inspection); no celery, no redis, no click.

Each section has a process and a time of its own. One that fails or runs late leaves its error in
the file, and what it had found by then; the file is written anew after each section, and the others
go on. `--only` runs some sections. What is extrapolated from a slice of an epoch is called so.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# Children are forked from a server that has loaded torch, and never from a process that has used
# it.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
)
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import common  # noqa: E402
import gpu_sections  # noqa: E402
import numpy as np  # noqa: E402
import rivals  # noqa: E402
from gpu_scene import Scene  # noqa: E402

from jobs.catalog import backbones  # noqa: E402

STUDY_IMAGES = 60_907
Job = tuple[str, dict[str, Any]]


def main() -> int:
    """Run every section, write what it found, print the most of it."""
    asked = _asked()
    _start_server()
    report = Report(asked.json, time.monotonic() + 60 * asked.minutes)
    with scene_of(asked) as scene, tempfile.TemporaryDirectory(prefix="orch-gpu-") as place:
        report.put("machine", common.machine())
        names = scene.names
        several = [names[0]] * (2 if asked.tiny else 4)
        plan: list[tuple[str, float, list[Job]]] = [
            ("device", 30, [("machine", {})]),
            ("study alone", 90, [("study", {})]),
            (
                "study side by side",
                90,
                [("beside", {"name": name, "whole": True}) for name in names],
            ),
            (
                "checkpoints",
                40,
                [("checkpoints", {"name": "resnet34" if "resnet34" in names else names[0]})],
            ),
            ("one alone", 30, [("beside", {"name": several[0], "whole": False})]),
            (
                "several side by side",
                60,
                [("beside", {"name": name, "whole": False}) for name in several],
            ),
            *((f"backbone {name}", 45, [("backbone", {"name": name})]) for name in names),
            ("exact", 150, [("exact", {})]),
        ]
        for title, budget_s, jobs in plan:
            if asked.only and not any(title.startswith(each) for each in asked.only):
                continue
            # A processor has other work beside tests.
            budget_s = 3 * budget_s if asked.tiny else budget_s
            common.say(title)
            gate = Path(place) / title.replace(" ", "-")
            gate.mkdir()
            try:
                found = together(scene, jobs, gate, min(budget_s, report.left_s))
            except Exception:  # a fork server that died, say; the next section starts another
                found = {"error": traceback.format_exc()[-2000:]}
            report.put(title, found)
    report.put("the study, extrapolated", study_extrapolated(report.found))
    print(json.dumps(report.found["the study, extrapolated"], indent=1))
    print(shown(report.found, list(names)))
    wrong = [f"{title}: {text}" for title, text in errors(report.found)]
    print("\n".join(["", *wrong]) if wrong else "\nno section failed")
    return int(asked.check and bool(wrong))


class Report:
    """What was found so far, in a file that is whole at every moment."""

    def __init__(self, path: Path | None, deadline: float) -> None:
        self.path, self.deadline, self.begun = path, deadline, time.monotonic()
        self.found: dict[str, Any] = {}

    @property
    def left_s(self) -> float:
        """Seconds until the whole is to end."""
        return self.deadline - time.monotonic()

    def put(self, title: str, found: Any) -> None:
        """Keep a section's findings."""
        self.found[title] = found
        self.found.setdefault("done after seconds", {})[title] = round(
            time.monotonic() - self.begun, 1
        )
        if self.path is not None:
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(self.found, indent=1, default=str) + "\n", encoding="utf-8")
            draft.replace(self.path)


def together(scene: Scene, jobs: list[Job], gate: Path, budget_s: float) -> Any:
    """What the jobs return, run side by side, each in a process; an error's text in the place of
    what failed.
    """
    if budget_s < 5:
        return {"error": "no time was left"}
    context = multiprocessing.get_context("forkserver")
    deadline, children = time.monotonic() + budget_s, []
    for number, (function, given) in enumerate(jobs):
        if function == "beside":
            given = given | {"gate": gate, "others": len(jobs)}
        child = context.Process(
            target=_child, args=(function, scene, given, gate / f"{number}.json")
        )
        child.start()
        children.append(child)
    results: list[Any] = []
    for number, child in enumerate(children):
        child.join(max(0.0, deadline - time.monotonic()))
        late = child.is_alive()
        if late:
            child.kill()
            child.join()
        path = gate / f"{number}.json"
        missing = (
            f"not done after {budget_s:.0f} s"
            if late
            else f"the process ended with {child.exitcode}"
        )
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        results.append(
            found if found and not late and child.exitcode == 0 else found | {"error": missing}
        )
    if len(jobs) == 1:
        return results[0]
    return [
        {"name": given["name"]} | result for (_, given), result in zip(jobs, results, strict=True)
    ]


def _child(function: str, scene: Scene, given: dict[str, Any], path: Path) -> None:
    """Run a section in this process; its result, so far and in the end, or its error as a file."""

    def put(found: dict[str, Any]) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(found, default=str), encoding="utf-8")
        draft.replace(path)

    try:
        found = getattr(gpu_sections, function)(scene, put, **given)
    except BaseException:  # whatever it is, it is a finding
        found = {"error": traceback.format_exc()[-2000:]}
        # Those beside it shall not wait for it.
        (path.parent / f"ready-{os.getpid()}").touch()
    put(found)


def _start_server() -> None:
    """Start the server that children are forked from, with torch loaded, before anything else
    starts one without.
    """
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload(["gpu_sections"])
    forkserver.ensure_running()


def study_extrapolated(found: dict[str, Any]) -> dict[str, Any]:
    """The study's seconds, one network after another and all side by side, from the slices that
    were measured.
    """
    if "error" in found.get("study alone", {}):
        return {"error": "a slice is missing: the study alone was not done"}
    try:
        alone = {
            name: row["extrapolated_seconds"]
            for name, row in found["study alone"].items()
            if isinstance(row, dict)
        }
        beside = found["study side by side"]
        beside = beside if isinstance(beside, list) else [beside]
        longest = max(row["extrapolated_training_seconds"] for row in beside)
        return {
            "extrapolated": True,
            "left out": "starting processes, uploads, checkpoints",
            "one after another, seconds": sum(alone.values()),
            "side by side, seconds, at most": longest,
            "side by side leaves out": "validation and evaluation; nobody gets faster as others "
            "end",
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"error": f"a slice is missing: {error!r}"}


def errors(found: Any, title: str = "") -> Iterator[tuple[str, str]]:
    """Every error in the findings, with its place; a check of equality that failed is one too."""
    rows = (
        found.items()
        if isinstance(found, dict)
        else enumerate(found)
        if isinstance(found, list)
        else ()
    )
    for key, value in rows:
        place = f"{title} / {key}" if title else str(key)
        if key == "error" or (" = " in str(key) and value is not True):
            yield place, str(value).strip().splitlines()[-1]
        else:
            yield from errors(value, place)


def shown(found: dict[str, Any], names: list[str]) -> str:
    """Training, images a second, of each backbone."""
    columns = (
        "bare auto",
        "ours auto resident",
        "ours auto streamed",
        "ours auto replayed",
        "bare fp32",
        "ours fp32 resident",
        "ours auto resident evaluated",
    )
    rows = []
    for name in (each for each in names if f"backbone {each}" in found):
        row = found[f"backbone {name}"]
        rates = row.get("images_per_second", {})
        by_hand = row.get("by hand", "-")
        known = (rates.get(column, "-") for column in columns)
        rows.append([name, "-" if isinstance(by_hand, dict) else by_hand, *known])
    return common.table(["images/s", "by hand", *columns], rows)


@contextmanager
def scene_of(asked: argparse.Namespace) -> Iterator[Scene]:
    """Photographs, and arrays of the study's size in memory where there is room, removed
    afterwards.
    """
    count, photographs, size = (400, 64, 64) if asked.tiny else (STUDY_IMAGES, 2048, 224)
    needed = count * size * size * 3
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 2 * needed
    cores = len(os.sched_getaffinity(0))
    with (
        rivals.prepared(photographs, size, None, asked.device, cores) as photos,
        tempfile.TemporaryDirectory(prefix="orch-gpu-", dir=shared if roomy else None) as place,
    ):
        common.say(f"making {count} images")
        path = Path(place) / "images.npy"
        images = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.uint8, shape=(count, size, size, 3)
        )
        block = np.random.default_rng(0).integers(
            0, 256, (min(count, 1024), size, size, 3), np.uint8
        )
        for start in range(0, count, len(block)):
            images[start : start + len(block)] = block[: count - start]
        del images
        names = ("scratch", "squeezenet") if asked.tiny else tuple(backbones.CATALOG)
        # Seven processes side by side shall not have more threads than there are cores.
        threads = 1 if asked.tiny else max(1, cores // len(names))
        yield Scene(
            photos,
            path,
            names,
            photographs,
            1 if asked.tiny else cores,
            threads,
            0.05 if asked.tiny else 2.0,
        )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="two networks, 64 px, 400 images: about a minute on a CPU",
    )
    parser.add_argument(
        "--minutes", type=float, default=7.5, help="sections begun later are left out (default 7.5)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="SECTION",
        help="sections whose title begins so, such as study; may be given several times (default: "
        "all)",
    )
    parser.add_argument("--json", type=Path, help="write everything there, anew after each section")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 when a section or an equality failed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
