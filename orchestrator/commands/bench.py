"""`orch bench`: latency, memory and size of a run's networks on one machine, as tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings
from orchestrator.formatting import plain
from orchestrator.submission import launch
from orchestrator.terminal.options import call, examples, json_option, store_option
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from orchestrator.submission.bench import BenchRequest

EPILOG = examples(
    "orch bench",
    "orch bench animals-3x10-77ab01 --backbone resnet34 --threads 4 --runtime onnx",
    "orch bench animals-3x10-77ab01 --json",
)


@click.command(epilog=EPILOG)
@run_argument()
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="NAME",
    help="A network to benchmark. Repeatable.  [default: all of the run]",
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="torch|onnx|int8",
    help="What computes. Repeatable.  [default: all whose packages are installed]",
)
@click.option(
    "--threads",
    type=int,
    default=1,
    metavar="N",
    help="Threads that a network answers on.  [default: 1]",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    metavar="N",
    help="The seed whose network is measured.  [default: 0]",
)
@click.option(
    "--host",
    metavar="NAME",
    help="The host to measure on, one with a worker.  [default: this machine]",
)
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait and show progress, or return once the benchmarks are enqueued.",
)
@launch.place_options
@json_option
@store_option
@click.pass_obj
def bench_command(
    settings: Settings,
    /,
    run: str | None,
    wait: bool,
    workers: int | None,
    device: str | None,
    as_json: bool,
    **chosen: Any,
) -> int:
    """Measure each trained network on one machine: latency, memory, size, and what int8 costs.

    One image and 32 at a time, by torch, ONNX Runtime and with 8-bit numbers. The answers on all
    test images are compared with torch's. Without RUN, the latest run is used. Done benchmarks are
    not repeated.
    """
    from jobs.store.store import Store
    from orchestrator.submission import bench
    from orchestrator.terminal import part
    from orchestrator.terminal.latest import latest_with

    store = Store(settings.store).open()
    recorded = latest_with(store, "evaluate") if run is None else store.load_run(run)
    asked = bench.checked(settings, store, recorded, workers, device, **chosen)
    grown = bench.record(store, recorded, asked)
    said = [plain(line) for line in bench.lines(grown, asked)]
    facts = bench.facts(asked)
    only = {task.id for task in asked.tasks}
    again = (
        "the benchmarks are recorded, and what is measured stays. Wait for them with the same "
        f"command; stop them with: {call(settings, 'cancel', grown.name)}"
    )
    followed, measuring = part.narrowed(store, grown, only, "benchmarks", again)
    awaited = launch.Awaited(followed, measuring, lambda: _results(store, grown, asked))
    here = bench.workers_for(settings, workers)
    return launch.launch(
        settings, store, grown, said, here, device, wait, as_json, facts, only, awaited
    )


def _results(store: Store, run: Run, asked: BenchRequest) -> tuple[list[str], dict[str, Any]]:
    """The benchmarks that were asked for and are done, as lines and as JSON values."""
    from orchestrator.submission import bench
    from orchestrator.terminal import bench_table

    done = bench.results(store, run, asked)
    return bench_table.lines(done), {"results": [bench_table.facts(one) for one in done]}
