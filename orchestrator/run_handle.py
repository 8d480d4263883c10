"""One run in Python: wait, read results, report, take its networks along, bench, remove."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobs import settings as environment
from jobs.errors import OrchError
from jobs.store.runs import Run, RunOutline
from jobs.store.store import Store
from orchestrator.exported import Exported
from orchestrator.parameter_names import names_parameters, several

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.maintenance.removal import Removal
    from jobs.spec.model import Spec
    from models.export.trained_network import TrainedNetwork
    from orchestrator.analysis.ranking import Ranking
    from orchestrator.monitoring.status import RunStatus
    from orchestrator.submission.cancel import Cancelled

Place = str | Path
LOOK_S = 1.0
NO_SETTING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunHandle:
    """One run: its progress, its results, its networks."""

    store: Store = field(repr=False)
    outline: Run | RunOutline = field(repr=False)
    look: Callable[[], RunStatus] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name, as `orch status` shows it."""
        return self.outline.name

    @property
    def record(self) -> Run:
        """Its whole record; raises `UnknownEntry` where it names what this orch does not have."""
        known = self.outline
        return known if isinstance(known, Run) else self.store.load_run(known.name)

    @property
    def spec(self) -> Spec:
        """Its specification."""
        return self.record.spec

    def __str__(self) -> str:
        return self.name

    @names_parameters
    def status(self) -> RunStatus:
        """Its progress now: `state` is waiting, running, done, failed or cancelled.

        Raises `WorkersDied` where the local workers of `submit` all died while they started, and
        `StackStopped` where `orch down` stopped them.
        """
        if self.look is not None:
            return self.look()
        from orchestrator.monitoring.status import run_status

        return run_status(self.store, self.outline)

    def wait(self, timeout_s: float | None = None) -> RunStatus:
        """Wait until it is over, and return its status.

        Raises `TimeoutError`, and `OrchError` if it failed or was cancelled.
        """
        from jobs.store.cached_store import RememberedResults

        until = None if timeout_s is None else time.monotonic() + timeout_s
        looking = replace(self, store=RememberedResults(self.store.root))
        while not (status := looking.status()).over:
            left_s = LOOK_S if until is None else until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"the run {self.name} is {status.state} after {timeout_s} s")
            time.sleep(min(LOOK_S, left_s))
        if status.state != "done":
            why = "; ".join(f"{each.task}: {each.message}" for each in status.failures)
            raise OrchError(f"the run {self.name} is {status.state}. {why}".rstrip())
        return status

    @names_parameters
    def results(self, table: str) -> pa.Table:
        """A table of docs/results.md, such as `epochs` or `evaluations`.

        It holds the rows of the run's trials, without epochs and attempts of other runs. In a grid
        the column `setting` tells the trials of a network apart, with several splits `split_seed`.
        """
        from orchestrator.analysis import run_tables

        return run_tables.read(self.store, self.record, table)

    @names_parameters
    def evaluate(
        self,
        data: Place,
        *,
        name: str | None = None,
        images: Place | None = None,
        skip_broken: bool | None = None,
        workers: int | None = None,
        device: str | None = None,
    ) -> RunHandle:
        """Evaluate its trained networks on other labelled data; returns the run with these tasks.

        The arguments are those of `orch evaluate`, with its defaults. Raises a
        `jobs.errors.RequestError` for a bad request, and then nothing is written.
        """
        from orchestrator.submission import evaluate, launch

        chosen = environment.with_store(self.store.root)
        asked = (str(data), None if images is None else str(images), name, skip_broken)
        grown, _ = evaluate.submit(chosen, self.name, *asked, workers, device)
        here, _, _ = launch.begin(chosen, self.store, grown, workers, device)
        handle = RunHandle(self.store, grown)
        return replace(handle, look=launch.watching(chosen, self.store, grown, here))

    @names_parameters
    def report(
        self,
        path: Place | None = None,
        *,
        formats: str | Sequence[str] | None = None,
        periods: Sequence[int] = (),
        metric: str | None = None,
        margin: float | None = None,
        max_latency: str | None = None,
        max_size: str | None = None,
    ) -> Path:
        """Write the report into a folder, by default in the store; returns its first page.

        `metric` leads, by default that of the specification. With a `margin`, networks are tested
        to be at most that many points of it worse than the best. `max_latency` (such as `"20ms"`)
        and `max_size` (`"10MB"`) limit what may be taken.
        """
        from orchestrator.analysis import constraints, metrics
        from orchestrator.report import write

        limits = constraints.read(max_latency, max_size)
        wanted = write.DEFAULT if formats is None else several(formats)
        out = _folder(path, self.store.report_folder(self.name))
        leading = None if metric is None else metrics.from_option(metric)
        return write.write_report(
            self.store, self.record, out, tuple(periods), wanted, leading, margin, limits
        )

    @names_parameters
    def decide(
        self,
        *,
        max_latency: str | None = None,
        max_size: str | None = None,
        margin: float | None = None,
        metric: str | None = None,
    ) -> dict[str, Any]:
        """Which network to take, and how sure that is: `decision` of report.json."""
        from orchestrator.analysis import constraints, metrics
        from orchestrator.report import choice_facts, write

        limits = constraints.read(max_latency, max_size)
        leading = None if metric is None else metrics.from_option(metric)
        run_data, analysis = write.analysed(self.store, self.record, (), leading, margin, limits)
        return choice_facts.collect(run_data, analysis) or {}

    def ranking(self) -> Ranking:
        """The networks of a run of `rank`, best first; raises `OrchError` before any is ranked."""
        from orchestrator.analysis.ranking import read_ranking
        from orchestrator.report import write

        write.need(write.NEEDED_TO_RANK)
        return read_ranking(self.store, self.record)

    @names_parameters
    def model(
        self,
        backbone: str,
        *,
        seed: int | None = None,
        period: int | None = None,
        split: int | None = None,
        setting: Mapping[str, Any] = NO_SETTING,
    ) -> TrainedNetwork:
        """A trained network: a torch module with `labels`, `preparation` and `prepare(*paths)`.

        `seed` and `setting` (such as `{"learning_rate": 0.003}`) are needed where there are
        several; `period` is by default the newest evaluated one, `split` the first.
        """
        from orchestrator import optional_packages
        from orchestrator.analysis.trained_models import choose_training

        training = choose_training(self.store, self.record, backbone, seed, period, split, setting)
        optional_packages.require(("torch",))
        from models.export import trained_network

        return trained_network.load(self.store, training)

    @names_parameters
    def export(
        self,
        backbone: str,
        path: Place | None = None,
        *,
        formats: str | Sequence[str] = ("torch",),
        seed: int | None = None,
        period: int | None = None,
        split: int | None = None,
        setting: Mapping[str, Any] = NO_SETTING,
        tell: Callable[[int, int], None] = lambda done, total: None,
    ) -> Exported:
        """Write a trained network as files that need no orch (docs/export.md)."""
        from orchestrator import optional_packages
        from orchestrator.analysis.trained_models import choose_training

        wanted = several(formats)
        optional_packages.require(("torch", *wanted))
        training = choose_training(self.store, self.record, backbone, seed, period, split, setting)
        name = f"{training.subject}-e{training.epoch:04d}"
        out = _folder(path, self.store.export_folder(self.name) / name)
        from models.export import write

        compared = write.export(self.store, self.name, training, wanted, out, tell)
        return Exported(out, training.subject, training.epoch, compared)

    @names_parameters
    def bench(
        self,
        *,
        backbones: str | Sequence[str] = (),
        runtimes: str | Sequence[str] = (),
        threads: int = 1,
        seed: int = 0,
        host: str | None = None,
        workers: int | None = None,
        device: str | None = None,
    ) -> RunHandle:
        """Measure its trained networks, as `orch bench` does; returns the run with these tasks.

        `wait` on that, then `results("benchmarks")` has the rows. Raises a `RequestError` for a bad
        request, and then nothing is written.
        """
        from orchestrator.submission import bench, launch

        chosen = environment.with_store(self.store.root)
        asked = bench.checked(
            chosen,
            self.store,
            self.record,
            workers,
            device,
            backbones=several(backbones),
            runtimes=several(runtimes),
            threads=threads,
            host=host,
            seed=seed,
        )
        grown = bench.record(self.store, self.record, asked)
        only = {task.id for task in asked.tasks}
        count = bench.workers_for(chosen, workers)
        here, _, _ = launch.begin(chosen, self.store, grown, count, device, only)
        handle = RunHandle(self.store, grown)
        return replace(handle, look=launch.watching(chosen, self.store, grown, here))

    def cancel(self) -> Cancelled:
        """Stop its open tasks after their step; results and checkpoints are kept.

        Where only evaluations and benchmarks are open that were asked for later, it is these alone.
        """
        from jobs.store import run_outlines
        from orchestrator.submission import cancel

        return cancel.cancel(self.store, run_outlines.run_or_outline(self.store, self.name))

    def remove(self, *, dry_run: bool = False) -> Removal:
        """Remove it with what no other run shares; returns what was, or would be, removed.

        Raises `RequestError` while its tasks are running, unless it is cancelled.
        """
        from jobs.maintenance import removal
        from jobs.store import run_outlines
        from orchestrator.monitoring import idle

        run = run_outlines.run_or_outline(self.store, self.name)
        idle.require_idle(self.store, run, waits=not dry_run)
        return (removal.plan_removal if dry_run else removal.remove_run)(self.store, run)


def _folder(path: Place | None, default: Path) -> Path:
    return default if path is None else environment.folder(str(path), "the folder")
