"""`orch evaluate`: the networks of a run on other labelled data, as tasks like any other."""

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
    from orchestrator.submission.evaluate import OtherRequest

EPILOG = examples(
    "orch evaluate digits-3x10-1f3a9c --data next-year/ --wait",
    "orch evaluate digits-3x10-1f3a9c --data labels.csv --images scans/ --name other-camera",
)


@click.command(epilog=EPILOG)
@run_argument()
@click.option(
    "--data",
    required=True,
    metavar="DIR|FILE",
    help="Labelled images, as for 'orch submit': another camera's, next year's.",
)
@click.option(
    "--images", metavar="DIR", help="Folder that the paths of a table of labels start from."
)
@click.option(
    "--name", metavar="NAME", help="Their name in the report.  [default: that of the folder]"
)
@click.option(
    "--skip-broken/--no-skip-broken",
    default=None,
    help="Leave out broken files, which are refused otherwise.  [default: as the run]",
)
@launch.options
@json_option
@store_option
@click.pass_obj
def evaluate_command(
    settings: Settings,
    run: str | None,
    data: str,
    images: str | None,
    name: str | None,
    skip_broken: bool | None,
    workers: int | None,
    device: str | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Evaluate the trained networks of a run on other labelled images.

    Each trial is tested as it was after its newest evaluated period, on images that are prepared as
    for its training. Classes are matched by name. The report of the run gets a section on it.
    Without RUN, the latest run with results is used.
    """
    from jobs.store.store import Store
    from orchestrator.submission import evaluate, evaluate_words
    from orchestrator.terminal import progress_bar
    from orchestrator.terminal.latest import latest_with

    store = Store(settings.store).open()
    run = latest_with(store, "evaluate").name if run is None else run
    with progress_bar.progress_when_slow("reading the data") as tell:
        grown, asked = evaluate.submit(
            settings, run, data, images, name, skip_broken, workers, device, tell
        )
    said = [plain(line) for line in evaluate_words.lines(grown, asked)]
    facts, awaited = evaluate_words.facts(asked), _awaited(settings, store, grown, asked)
    return launch.launch(
        settings, store, grown, said, workers, device, wait, as_json, facts, awaited=awaited
    )


def _awaited(settings: Settings, store: Store, grown: Run, asked: OtherRequest) -> launch.Awaited:
    """The evaluation alone, and its accuracies beside those on the run's own test images."""
    from orchestrator.submission import evaluate
    from orchestrator.terminal import evaluation_table, part

    called = asked.record.name
    again = (
        "the evaluation is recorded, and goes on. Wait for it with the same command; stop it with: "
        f"{call(settings, 'cancel', grown.name)}"
    )
    what = f"tasks of the evaluation on {called}"
    followed, waiting = part.narrowed(store, grown, evaluate.added(asked), what, again)

    def results() -> tuple[list[str], dict[str, Any]]:
        done = evaluation_table.read(store, grown, asked.tasks)
        return evaluation_table.lines(called, done), {"results": evaluation_table.facts(done)}

    return launch.Awaited(followed, waiting, results)
