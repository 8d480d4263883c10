"""All measurements that need a GPU, in one run of less than 8 minutes. Not yet run on a GPU.

    python benchmarks/gpu.py --json gpu.json              on a machine with a GPU
    python benchmarks/gpu.py --device cpu --tiny     the same sections in small, as a test

Run it from the repository; `orch` need not be installed. It imports only `models/` and `jobs/`, and
needs torch 2.11, torchvision 0.26, numpy, pillow, pyarrow, psutil, pyyaml and scikit-learn. It also
needs pydantic 2 and its dependencies: pydantic-core, annotated-types, typing-inspection. It needs
no celery, redis or click.

Each section has processes and a time limit of its own. A section that fails or takes too long
leaves its error and its results so far in the file, and the others go on. The file is rewritten
after each section. `--only` runs some sections. Figures that are extrapolated from a part of an
epoch are named so.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
# Children are forked from a server that has loaded torch, never from a process that has used it.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
)
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import common  # noqa: E402
from gpu_processes import Job, run_together, start_server  # noqa: E402
from gpu_results import Report, errors, rates_table, study_extrapolated  # noqa: E402
from gpu_scene import Scene, scene_of  # noqa: E402


class Section(NamedTuple):
    """A section of the results: its title, the seconds it may take, and what runs side by side."""

    title: str
    budget_s: float
    jobs: list[Job]


def main() -> int:
    """Run every section, write the results, print most of them, and return the exit code."""
    options = _parse_options()
    start_server()
    report = Report(options.json, time.monotonic() + 60 * options.minutes)
    with scene_of(options) as scene, tempfile.TemporaryDirectory(prefix="orch-gpu-") as folder:
        report.put("machine", common.machine())
        names = scene.names
        for section in _sections(names, options.tiny):
            if options.only and not any(section.title.startswith(each) for each in options.only):
                continue
            report.put(section.title, _run(section, scene, Path(folder), report, options.tiny))
    extrapolated = study_extrapolated(report.results)
    report.put("the study, extrapolated", extrapolated)
    print(json.dumps(extrapolated, indent=1))
    print(rates_table(report.results, list(names)))
    failures = [f"{title}: {text}" for title, text in errors(report.results)]
    print("\n".join(["", *failures]) if failures else "\nno section failed")
    return int(options.check and bool(failures))


def _sections(names: tuple[str, ...], tiny: bool) -> list[Section]:
    """The sections in their order, with the seconds that each may take."""
    several = [names[0]] * (2 if tiny else 4)
    resnet = "resnet34" if "resnet34" in names else names[0]
    return [
        Section("device", 30, [("machine", {})]),
        Section("study alone", 90, [("study", {})]),
        Section(
            "study side by side",
            90,
            [("beside", {"name": name, "whole": True}) for name in names],
        ),
        Section("checkpoints", 40, [("checkpoints", {"name": resnet})]),
        Section("one alone", 30, [("beside", {"name": several[0], "whole": False})]),
        Section(
            "several side by side",
            60,
            [("beside", {"name": name, "whole": False}) for name in several],
        ),
        *(Section(f"backbone {name}", 45, [("backbone", {"name": name})]) for name in names),
        Section("exact", 150, [("exact", {})]),
    ]


def _run(section: Section, scene: Scene, folder: Path, report: Report, tiny: bool) -> Any:
    """Run a section; returns its results or its error."""
    # A CPU may have other work besides this test.
    budget_s = 3 * section.budget_s if tiny else section.budget_s
    common.say(section.title)
    gate = folder / section.title.replace(" ", "-")
    gate.mkdir()
    try:
        return run_together(scene, section.jobs, gate, min(budget_s, report.left_s))
    except Exception:  # the fork server may have died; the next section starts another one
        return {"error": traceback.format_exc()[-2000:]}


def _parse_options() -> argparse.Namespace:
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
