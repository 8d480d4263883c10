"""Check whether a disturbed study ended like the undisturbed one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from support.harness import Lab, rows

from chaos.processes import runs
from chaos.scene import Scene
from jobs import readiness
from jobs.maintenance import prune, verify
from jobs.store import decisions
from jobs.store.runs import Run
from jobs.task import Task

TABLES = ("epochs", "evaluations", "predictions", "validation_predictions")
RANKING_TABLES = ("rankings", "ranking_answers")
TIMES = ("feature_seconds", "probe_seconds")


@dataclass(frozen=True)
class Check:
    """One promise, whether it was kept, and what was counted."""

    promise: str
    held: bool
    detail: str


def judge(scene: Scene, twin: Lab, calm: Run) -> list[Check]:
    """All promises, after the study has ended and its workers have stopped."""
    lab, run = scene.lab, scene.run
    every = (*scene.runs, *scene.rankings)
    states = [state for each in every for state in readiness.task_states(lab.store, each).values()]
    stops = decisions.read(twin.store, calm).stopped
    struck, expected = digests(lab, run, stops), digests(twin, calm, stops)
    ends = {"done", "stopped"} if run.spec.race else {"done"}
    checks = [
        Check("every task is done", set(states) <= ends, _counts(states)),
        Check(
            "weights digests are the twin's",
            struck == expected,
            f"{len(expected)} of {len(run.trials)} trials",
        ),
    ]
    for table in TABLES:
        # An undisturbed study from an earlier call may have more periods.
        # Of a trial that stops, earlier runs with fewer periods may have trained more.
        found, wanted = (
            [r for r in rows(of, its, table) if r["epoch"] <= _last(run, stops, r["trial"])]
            for of, its in ((lab, run), (twin, calm))
        )
        detail = f"{len(found)} rows, {len(wanted)} in the twin"
        checks.append(
            Check(
                f"rows of {table} are the twin's, none missing, none twice", found == wanted, detail
            )
        )
    left, done = scene.open_benchmarks(), scene.benchmarks & scene.done()
    renamed = len(scene.benchmarks) - len(done) - len(left)
    return [
        *checks,
        Check(
            "benchmarks that were asked for are done",
            not left,
            f"{len(done)} of {len(scene.benchmarks)}, {renamed} for a name that no host has now",
        ),
        *_ranked(scene, twin),
        *([_decided(scene, twin, calm)] if run.spec.race else []),
        _audited(scene),
        _orphans(scene),
        _drafts(scene),
        Check(
            "nothing else was amiss on the way",
            not scene.troubles,
            "; ".join(scene.troubles) or "nothing",
        ),
    ]


def _ranked(scene: Scene, twin: Lab) -> list[Check]:
    """The tables of the ranking, but for the times in them."""
    checks = []
    for table in RANKING_TABLES:
        for run in scene.rankings:
            calm = twin.store.load_run(run.name)
            found, wanted = (
                rows(lab, each, table, TIMES) for lab, each in ((scene.lab, run), (twin, calm))
            )
            held = found == wanted and bool(wanted)
            detail = f"{len(found)} rows, {len(wanted)} in the twin"
            checks.append(Check(f"rows of {table} are the twin's", held, detail))
    return checks


def _last(run: Run, stops: Mapping[str, int], trial: str) -> int:
    """The last epoch of a trial that the twin has, too."""
    return min(stops.get(trial, run.spec.epochs), run.spec.epochs)


def _decided(scene: Scene, twin: Lab, calm: Run) -> Check:
    mine, theirs = (
        decisions.read(lab.store, run).made for lab, run in ((scene.lab, scene.run), (twin, calm))
    )
    stopped = sum(len(made.stopped) for made in theirs)
    detail = f"{len(mine)} decisions, {len(theirs)} in the twin, which stopped {stopped} trials"
    return Check("decisions are the twin's", mine == theirs, detail)


def digests(lab: Lab, run: Run, stops: Mapping[str, int]) -> dict[str, Any]:
    """The checksum of each trial's weights at each target epoch."""
    marks = [Task.parse(task_id) for task_id in run.tasks if task_id.startswith("train.")]
    kept = [task for task in marks if task.epoch <= _last(run, stops, task.subject)]
    results = {task.id: lab.store.done(task) for task in kept}
    return {task: result and result.weights_digest for task, result in results.items()}


def _audited(scene: Scene) -> Check:
    every = (*scene.runs, *scene.rankings)
    found = [finding for run in every for finding in verify.verify_files(scene.lab.store, run)]
    broken = [f"{finding.path} {finding.problem}" for finding in found if finding.problem]
    return Check(
        "the audit finds nothing broken",
        not broken,
        "; ".join(broken[:5]) or f"{len(found)} files looked at",
    )


def _orphans(scene: Scene) -> Check:
    stays = scene.broker.servers()  # a worker that found no Redis has started it
    ours = [p for p in scene.crew.seen.values() if runs(p) and p.pid not in stays]
    _, left = psutil.wait_procs(ours, timeout=10)
    return Check(
        "no process is left", not left, f"{len(left)} of {len(scene.crew.seen)} that were started"
    )


def _drafts(scene: Scene) -> Check:
    store = scene.lab.store
    named = {
        waste.path
        for waste in prune.find_prunable(
            store, scene.runs, frozenset(prune.POLICIES), time.time() + 7200
        )
    }
    drafts = (
        set(store.root.rglob(".*"))
        | {
            path
            for path in store.root.glob("trials/*/checkpoints/*.pt")
            if not path.with_suffix(".json").exists()
        }
        | {path for path in store.root.glob("attempts/*/*") if path.is_dir()}
    )
    hidden = [path.name for path in drafts if path not in named and not named & set(path.parents)]
    return Check(
        "prune names every draft that is left",
        not hidden,
        f"{len(drafts)} left; not named: {hidden[:5]}",
    )


def _counts(states: list[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
