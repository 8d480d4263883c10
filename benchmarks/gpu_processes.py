"""Processes that run the sections of `gpu.py`, one or several side by side."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import traceback
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import gpu_sections
from gpu_scene import Scene

Job = tuple[str, dict[str, Any]]
"""The name of a function of `gpu_sections`, and its arguments."""


def run_together(scene: Scene, jobs: list[Job], gate: Path, budget_s: float) -> Any:
    """Run the jobs side by side, each in a process of its own; returns their results.

    A job that fails or takes longer than `budget_s` has an `error` in its result.
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
    results = [
        _result(child, gate / f"{number}.json", deadline, budget_s)
        for number, child in enumerate(children)
    ]
    if len(jobs) == 1:
        return results[0]
    return [
        {"name": given["name"]} | result for (_, given), result in zip(jobs, results, strict=True)
    ]


def _result(child: BaseProcess, path: Path, deadline: float, budget_s: float) -> dict[str, Any]:
    """Wait for a child until the deadline; returns its result, with an error if it failed."""
    child.join(max(0.0, deadline - time.monotonic()))
    late = child.is_alive()
    if late:
        child.kill()
        child.join()
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if late:
        return result | {"error": f"not done after {budget_s:.0f} s"}
    if not result or child.exitcode != 0:
        return result | {"error": f"the process ended with {child.exitcode}"}
    return result


def _child(function: str, scene: Scene, given: dict[str, Any], path: Path) -> None:
    """Run a section in this process; its result so far, its final result or its error is a file."""

    def put(result: dict[str, Any]) -> None:
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(result, default=str), encoding="utf-8")
        draft.replace(path)

    try:
        result = getattr(gpu_sections, function)(scene, put, **given)
    except BaseException:  # every failure is a result
        result = {"error": traceback.format_exc()[-2000:]}
        # The processes beside it must not wait for it.
        (path.parent / f"ready-{os.getpid()}").touch()
    put(result)


def start_server() -> None:
    """Start the fork server with torch loaded, before anything else starts one without it."""
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload(["gpu_sections"])
    forkserver.ensure_running()
