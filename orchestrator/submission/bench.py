"""Check a request to benchmark a run's networks, and record it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs import install_hints
from jobs import settings as environment
from jobs.benchmark import MAX_THREADS, RUNTIMES, Runtime, Way, host_key
from jobs.catalog.suggest import unknown
from jobs.errors import BadSpec, MissingExtra, OrchError, RequestError
from jobs.settings import Settings
from jobs.store import decisions, marks, splits
from jobs.store.runs import Run
from jobs.store.store import Store
from jobs.task import Task
from orchestrator import optional_packages, state_folder
from orchestrator.analysis import benchmarks
from orchestrator.analysis.benchmarks import Benchmark
from orchestrator.analysis.trained_models import choose_models
from orchestrator.monitoring import heartbeats

NEEDED: dict[str, str] = {"torch": "torch", "onnx": "onnx", "int8": "onnx"}
"""For each runtime, the format of a network whose packages it needs."""


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """A checked request: the benchmarks, their host, and what was left out.

    `absent` are trials that nothing was evaluated of yet. `missing` is how to install the runtimes
    that were left out because their packages are missing; empty where none was. `dropped` are
    unfinished benchmarks on hosts without a worker, which this request takes the place of. `done`
    counts the benchmarks that are done already.
    """

    tasks: tuple[Task, ...]
    host: str
    seed: int
    absent: tuple[str, ...]
    missing: str
    dropped: tuple[Task, ...]
    done: int = 0

    @property
    def runtimes(self) -> list[str]:
        """The runtimes that are benchmarked."""
        return list(dict.fromkeys(task.way.runtime for task in self.tasks if task.way))


def checked(
    settings: Settings,
    store: Store,
    run: Run,
    workers: int | None,
    device: str | None,
    **chosen: Any,
) -> BenchRequest:
    """Check a request (`check`) and this machine; writes nothing."""
    from orchestrator import preflight

    asked = check(settings, store, run, **chosen)
    preflight.require_writable(settings.store)
    preflight.require_machine(settings, workers, device)
    if settings.broker_url is not None:
        preflight.require_broker(settings.broker_url)
    return asked


def check(
    settings: Settings,
    store: Store,
    run: Run,
    backbones: Collection[str] = (),
    runtimes: Sequence[str] = (),
    threads: int = 1,
    host: str | None = None,
    seed: int = 0,
) -> BenchRequest:
    """Check a request on a run; writes nothing. Raises `RequestError` and `OrchError`.

    Without `runtimes`, all whose packages are installed here are benchmarked.
    """
    if store.is_cancelled(run.name):
        resume = environment.command_line(store.root, "resume", run.name)
        raise RequestError(f"the run {run.name} is cancelled. Resume it first with: {resume}")
    where = _host(settings, host)
    _require_threads(threads, where)
    chosen, missing = _runtimes(runtimes)
    trainings, absent = _trainings(store, run, backbones, seed)
    tasks = tuple(
        replace(task, kind="bench", way=Way(runtime, threads, where))
        for task in trainings
        for runtime in chosen
    )
    dropped, done = _replaced(settings, store, run, where), sum(map(store.is_done, tasks))
    return BenchRequest(tasks, where, seed, absent, missing, dropped, done)


def _trainings(
    store: Store, run: Run, backbones: Collection[str], seed: int
) -> tuple[list[Task], tuple[str, ...]]:
    """The newest evaluated training of each network with this seed, and the trials without any.

    Of several splits the first is meant, of a tuned key the chosen value.
    """
    first = splits.chosen(store, run, None)
    models = choose_models(store, _with_chosen_values(store, first), None, backbones)
    every = [task for tasks in models.trials.values() for task in tasks]
    trainings = [task for task in every if store.load_trial(task.subject).seed == seed]
    if not trainings:
        last = run.spec.seeds - 1
        has = f"seeds 0 to {last}" if last else "seed 0 alone"
        raise RequestError(
            f"--seed {seed}: the run {run.name} has evaluated no network with it. It has {has}."
        )
    for task in trainings:
        _require_checkpoint(store, task)
    absent = [name for name in models.absent if store.load_trial(name).seed == seed]
    return trainings, tuple(absent)


def _with_chosen_values(store: Store, run: Run) -> Run:
    """The run without the trials of values that its tuning did not choose; raises `OrchError`."""
    if run.spec.tune is None:
        return run
    choices = [choice for made in decisions.read(store, run).made for choice in made.choices]
    if not choices:
        status = environment.command_line(store.root, "status", run.name)
        raise OrchError(
            f"the run {run.name} has not chosen a {run.spec.tune} for each network yet, so none "
            f"can be benchmarked. Its progress: {status}"
        )
    others = {
        trial
        for choice in choices
        for rung in choice.rungs
        if rung.value != choice.chosen
        for trial in rung.trials
    }
    return replace(run, trials=tuple(name for name in run.trials if name not in others))


def record(store: Store, run: Run, asked: BenchRequest) -> Run:
    """Record the benchmarks, and last the run with them; returns it."""
    marks.mark(store, asked.tasks)
    dropped = {task.id for task in asked.dropped}
    kept = [task for task in run.tasks if task not in dropped]
    grown = replace(run, tasks=tuple(dict.fromkeys((*kept, *(t.id for t in asked.tasks)))))
    store.reopen(grown)
    marks.unmark(store, asked.dropped)
    return grown


def results(store: Store, run: Run, asked: BenchRequest) -> list[Benchmark]:
    """Those of the benchmarks that are done."""
    ways = {
        (task.subject, task.way.runtime, task.way.threads, task.way.host)
        for task in asked.tasks
        if task.way is not None
    }
    done = benchmarks.of_run(store, run)
    return [one for one in done if (one.trial, one.runtime, one.threads, one.host) in ways]


def workers_for(settings: Settings, workers: int | None) -> int | None:
    """One local worker where none is asked for: benchmarks are measured one after the other."""
    return 1 if workers is None and settings.broker_url is None else workers


def facts(asked: BenchRequest) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "benchmarks": [task.id for task in asked.tasks],
        "host": asked.host,
        "seed": asked.seed,
        "runtimes": asked.runtimes,
        "not_benchmarked": list(asked.absent),
        "missing_packages": asked.missing or None,
        "dropped": [task.id for task in asked.dropped],
    }


def lines(run: Run, asked: BenchRequest) -> list[str]:
    """What will be measured where, and what not."""
    networks, way = len({task.subject for task in asked.tasks}), asked.tasks[0].way
    threads = 1 if way is None else way.threads
    several = f", seed {asked.seed} of each" if run.spec.seeds > 1 else ""
    said = [
        f"run {run.name}: {networks} network(s){several} are benchmarked on {asked.host} by "
        f"{', '.join(asked.runtimes)}, on {threads} thread(s), one after the other",
        _count(asked),
    ]
    if asked.missing:
        said.append(asked.missing)
    if asked.absent:
        said.append(f"not evaluated yet, and left out: {', '.join(asked.absent[:5])}")
    if asked.dropped:
        count = len(asked.dropped)
        said.append(f"{count} benchmark(s) that waited for a host without a worker are dropped")
    return said


def _count(asked: BenchRequest) -> str:
    """How many measurements there are, how many of them are done, and how long one takes."""
    left = len(asked.tasks) - asked.done
    already = f", {asked.done} of them done before" if asked.done else ""
    lasts = "; each takes from some seconds to two minutes, by the network" if left else ""
    return f"{len(asked.tasks)} measurement(s){already}{lasts}"


def _require_threads(threads: int, where: str) -> None:
    """Raise `BadSpec` for a number that means nothing, or beyond the processors of this machine."""
    here = len(os.sched_getaffinity(0)) if where == host_key(state_folder.host()) else MAX_THREADS
    if not 1 <= threads <= here:
        raise BadSpec(f"--threads {threads}: from 1 to {here} are allowed on {where}.")


def _runtimes(asked: Sequence[str]) -> tuple[list[Runtime], str]:
    """The runtimes to benchmark, and what to say of those that lack a package."""
    for name in asked:
        if name not in RUNTIMES:
            raise BadSpec(f"--runtime: {unknown('runtime', name, RUNTIMES)}.")
    chosen, lacking = list[Runtime](), list[str]()
    for name in RUNTIMES:
        if name in (asked or RUNTIMES):
            try:
                if NEEDED[name] != "torch":  # the workers, not this machine, need torch
                    optional_packages.require([NEEDED[name]])
                chosen.append(name)
            except MissingExtra:
                lacking.append(name)
    install = install_hints.install_command("bench")
    if lacking and asked:
        raise MissingExtra(f"--runtime {lacking[0]} needs packages. Install them with: {install}")
    said = f"{' and '.join(lacking)} are left out: they need packages. Install them with: {install}"
    return chosen, said if lacking else ""


def _host(settings: Settings, asked: str | None) -> str:
    """The host to measure on: this machine, unless workers of a named broker live elsewhere.

    Workers that started before this machine was renamed have its earlier name. Raises `BadSpec`
    for a host without a worker, and where several would do.
    """
    here = host_key(state_folder.host())
    live, local = sorted(_live_hosts(settings)), sorted(_live_hosts(settings, local=True))
    if local and here not in live:
        here = local[0]
    if asked is not None:
        where = host_key(asked)
        if where not in {*live, here} or (settings.broker_url is not None and where not in live):
            known = f"Workers live on: {', '.join(live)}." if live else "No worker is alive."
            raise BadSpec(f"--host {asked[:80]}: no worker of this store lives there. {known}")
        return where
    if settings.broker_url is None or here in live or not live:
        return here
    if len(live) > 1:
        raise BadSpec(
            f"workers live on several hosts, whose latencies differ. Name one with --host: "
            f"{', '.join(live)}."
        )
    return live[0]


def _live_hosts(settings: Settings, local: bool = False) -> set[str]:
    """The hosts of workers that take tasks; those of this machine's workers if `local`."""
    return {
        host_key(sign.host)
        for sign in heartbeats.read_heartbeats(settings.store)
        if sign.fresh and not sign.drained and (sign.here or not local)
    }


def _replaced(settings: Settings, store: Store, run: Run, where: str) -> tuple[Task, ...]:
    """Unfinished benchmarks of the run on other hosts, on which no worker lives any more."""
    live, ledger = _live_hosts(settings), store.ledger()
    tasks = (Task.parse(name) for name in run.tasks if name.startswith("bench."))
    return tuple(
        task
        for task in tasks
        if task.way is not None and task.way.host not in {where, *live} and not ledger.is_done(task)
    )


def _require_checkpoint(store: Store, task: Task) -> None:
    result = store.done(task)
    if result is None or result.checkpoint is None or not (store.root / result.checkpoint).exists():
        raise OrchError(
            f"the checkpoint of {task.subject} after epoch {task.epoch} is not there any more, so "
            "it cannot be benchmarked. Checkpoints of finished trials are removed by 'orch prune'."
        )
