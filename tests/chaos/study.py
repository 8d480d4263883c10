"""A complete chaos run, from the first fault to the final checks."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from support import preloaded
from support.harness import Lab
from support.preloaded import Kind

from chaos import faults, scene, verdict
from chaos.broker import Broker
from chaos.crew import Crew
from chaos.faults import Drawn
from chaos.paint import paint
from chaos.pulse import Blow, Pulse
from chaos.redis_faults import REDIS_FAULTS
from chaos.scene import Scene, Size
from chaos.store_faults import repair
from chaos.surroundings import DISK_FULL, HOST_RENAMED, obey_modes, own_host_name, small_disk
from chaos.verdict import Check
from jobs import readiness
from jobs.store.runs import Run

PERIOD_S = 13.0
"""About how long the study works on a period while it is struck; a guess that only spares taking it
on too often.
"""
FIND_S = 60.0
AWAY_S = 16.0
END_S = 300.0


@dataclass(frozen=True)
class Places:
    """The folder to work in (None: a temporary one), the folder of the undisturbed study (None: the
    same), and the file for the facts.
    """

    folder: Path | None = None
    twin: Path | None = None
    report: Path | None = None


def study(count: int, seed: int, workers: int, pause_s: float, places: Places, size: Size) -> bool:
    """Run the undisturbed study, inject the faults, compare and print; returns whether every
    promise was kept.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        place = places.folder or Path(tempfile.mkdtemp(prefix="orch-chaos-"))
        beside = places.twin or place / "calm"
        if places.folder is None:
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        obey_modes()
        renamed = own_host_name()
        if size.pause_s:
            preloaded.serve_in(place / "preloaded")
        images, periods = paint(place / "images"), max(2, round(count * pause_s / PERIOD_S))
        twin, calm = _calm(beside, images, workers, periods, size)
        told(began, f"the undisturbed twin is done: {len(calm.tasks)} tasks")
        struck, has_disk = stack.enter_context(_scene(place, images, workers, size))
        allowed = {DISK_FULL: has_disk, HOST_RENAMED: renamed}
        without = [kind for kind, can in allowed.items() if not can]
        for kind in without:
            told(began, f"skipped: '{kind}' (this takes root)")
        blows = _deal(struck, faults.draw(count, seed, without, pause_s), periods, began)
        if struck.run.spec.periods > periods:
            told(
                began,
                f"the twin is taken on to {struck.run.spec.periods} periods, as the study was",
            )
            twin, calm = _calm(beside, images, workers, struck.run.spec.periods, size)
        checks = verdict.judge(struck, twin, calm)
        restarts = struck.crew.restarts
    held = all(check.held for check in checks)
    _print(blows, checks, held)
    if places.report is not None:
        asked = {"faults": count, "seed": seed, "workers": workers, "restarts": restarts}
        facts = (
            _facts(blows, checks)
            | asked
            | {"held": held, "seconds": round(time.monotonic() - began, 1)}
        )
        places.report.write_text(json.dumps(facts, indent=1) + "\n")
    return held


def told(began: float, words: str) -> None:
    """A line of progress with the seconds since the beginning."""
    print(f"{time.monotonic() - began:7.1f} s  {words}", flush=True)


def _calm(folder: Path, images: Path, workers: int, periods: int, size: Size) -> tuple[Lab, Run]:
    """The undisturbed study, started or extended to this many periods."""
    lab = _lab(folder)
    broker = Broker(lab)
    broker.start()
    crew = Crew(lab, tuple(f"w{number}" for number in range(1, workers + 1)))
    try:
        crew.start()
        ranking = scene.rank(lab, images, size)
        run = scene.submit(lab, images, periods, size)
        lab.finished(ranking, timeout_s=600)
        lab.finished(run, timeout_s=1800)
    finally:
        crew.close()
        broker.close()
    return lab, run


def _lab(folder: Path, pause_s: float = 0.0) -> Lab:
    """A laboratory with the embedded Redis, whose files are on the store's disk."""
    state = {"XDG_STATE_HOME": str(folder / "state"), "ORCH_QUICK_BENCH": "1"}
    return Lab(folder, "", extra=state, kind=Kind(pause_s=pause_s))


@contextmanager
def _scene(place: Path, images: Path, workers: int, size: Size) -> Iterator[tuple[Scene, bool]]:
    """The study to be disturbed, before it starts, and whether its disk can be filled; processes
    started for it are ended.
    """
    with small_disk(place / "struck") as has_disk:
        lab = _lab(place / "struck", size.pause_s)
        broker = Broker(lab)
        crew = Crew(lab, tuple(f"w{number}" for number in range(1, workers + 1)))
        broker.start()
        try:
            yield Scene(lab, broker, crew, images, size), has_disk
        finally:
            crew.leave.set()
            lab.close()
            broker.close()


def _deal(struck: Scene, drawn: Sequence[Drawn], periods: int, began: float) -> list[Blow]:
    """Inject every fault, and extend the study if it ends before. Then wait for its end and repair
    what is damaged.
    """
    pulse = Pulse(struck.said, struck.done)
    struck.submit(periods)
    struck.crew.start()
    pulse.start()
    for each in drawn:
        time.sleep(each.pause_s)
        blow = _strike(struck, each, pulse, began)
        told(began, f"fault {each.number}/{len(drawn)}: {each.kind} ({blow.detail})")
    told(began, "all faults are dealt; the study goes on to its end")
    struck.settle()
    for _ in range(3):
        _finish(struck, began)
        repair(struck)
    pulse.close()
    codes = struck.crew.close()
    if any(codes):
        struck.troubles.append(f"workers asked to leave left with {codes}")
    struck.troubles += [
        f"no work after fault {blow.number}, {blow.kind}"
        for blow in pulse.blows
        if blow.recovery_s is None
    ]
    return pulse.blows


def _strike(struck: Scene, drawn: Drawn, pulse: Pulse, began: float) -> Blow:
    """Try until there is something to hit; a study that has nearly ended is extended."""
    strike, rng = faults.KINDS[drawn.kind], random.Random(drawn.seed)
    deadline = time.monotonic() + FIND_S
    while time.monotonic() < deadline:
        if struck.open_tasks() <= len(struck.crew.names):
            periods = struck.run.spec.periods + max(1, struck.runs[0].spec.periods // 2)
            told(began, f"little is left to strike: the study is taken on to {periods} periods")
            struck.submit(periods)
        blow = Blow(drawn.number, drawn.kind, done_before=struck.done())
        lasting = drawn.kind in REDIS_FAULTS  # work goes on while it lasts
        if lasting:
            pulse.blows.append(blow)
        if strike(struck, rng, blow):
            pulse.blows += [] if lasting else [blow]
            return blow
        time.sleep(0.2)
    struck.troubles.append(
        f"nothing could be struck by fault {drawn.number}, {drawn.kind}, for {FIND_S:.0f} s"
    )
    return Blow(drawn.number, drawn.kind, detail="not dealt")


def _finish(struck: Scene, began: float) -> None:
    deadline, spoken = time.monotonic() + END_S, time.monotonic()
    while not struck.over():
        time.sleep(0.2)
        if time.monotonic() - spoken > 10:
            spoken = time.monotonic()
            states = list(readiness.task_states(struck.lab.store, struck.run).values())
            told(began, f"{states.count('done')} of {len(states)} tasks are done")
        if time.monotonic() > deadline:
            struck.troubles.append(f"the study did not end within {END_S:.0f} s of its last fault")
            return


def _print(blows: Sequence[Blow], checks: Sequence[Check], held: bool) -> None:
    print(
        f"\n{'fault':<50} {'dealt':>5}  {'recovery: median':>16}  {'worst':>7}  "
        f"{'worst, no other within':>22}"
    )
    for kind, figures in recoveries(blows).items():
        times = [figures["median_s"], figures["worst_s"], figures["worst_alone_s"]]
        middle, worst, alone = ("-" if seconds is None else f"{seconds:.1f} s" for seconds in times)
        print(f"{kind:<50} {figures['dealt']:>5}  {middle:>16}  {worst:>7}  {alone:>22}")
    print()
    for check in checks:
        print(f"{'held  ' if check.held else 'BROKEN'}  {check.promise}: {check.detail}")
    print(
        f"\n{len(blows)} faults: "
        f"{'nothing lost, nothing twice' if held else 'the study did NOT end as its twin'}"
    )


def recoveries(blows: Sequence[Blow]) -> dict[str, dict[str, Any]]:
    """Counts, median and worst time to recovery in seconds, by kind and for all. Faults overlap.
    `worst_alone_s` covers only faults during whose recovery no other fault came and no worker was
    frozen.
    """
    table = {}
    for kind in [*sorted({blow.kind for blow in blows}), "all"]:
        mine = [blow for blow in blows if kind in ("all", blow.kind)]
        times = [blow.recovery_s for blow in mine if blow.recovery_s is not None]
        alone = [
            blow.recovery_s for blow in mine if blow.recovery_s is not None and _alone(blow, blows)
        ]
        table[kind] = {
            "dealt": len(mine),
            "median_s": round(statistics.median(times), 2) if times else None,
            "worst_s": round(max(times), 2) if times else None,
            "worst_alone_s": round(max(alone), 2) if alone else None,
        }
    return table


def _alone(blow: Blow, blows: Sequence[Blow]) -> bool:
    end = blow.at + (blow.recovery_s or 0.0)
    others = [other for other in blows if other is not blow]
    return not any(
        other.at < end
        and other.at + max(other.recovery_s or 0.0, AWAY_S if "beyond" in other.kind else 0.0)
        > blow.at
        for other in others
    )


def _facts(blows: Sequence[Blow], checks: Sequence[Check]) -> dict[str, Any]:
    listed = [
        {"number": b.number, "kind": b.kind, "detail": b.detail, "recovery_s": b.recovery_s}
        for b in blows
    ]
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
    return {
        "recoveries": recoveries(blows),
        "dealt": listed,
        "checks": [asdict(c) for c in checks],
        "machine": machine,
    }
