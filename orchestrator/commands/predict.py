"""`orch predict`: the predictions of every backbone for new images."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs import exit_codes, install_hints
from jobs.errors import MissingExtra, RequestError
from jobs.settings import Settings
from orchestrator.formatting import plain
from orchestrator.terminal.latest import latest_with
from orchestrator.terminal.options import (
    emit,
    examples,
    json_option,
    setting_option,
    split_option,
    store_option,
)
from orchestrator.terminal.run_argument import run_names

if TYPE_CHECKING:
    from jobs.store.runs import Run
    from jobs.store.store import Store
    from models.evaluation.predict import ImagePredictions
    from orchestrator.analysis.trained_models import TrainedModels


EPILOG = examples(
    "orch predict cat.jpg dog.jpg",
    "orch predict holidays/ --run digits-3x10-1f3a9c --csv answers.csv",
    "orch predict cat.jpg --backbone resnet34 --setting learning_rate=0.003",
)


def _range(ctx: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Callback: a range of values; None for that of the data set."""
    if value is None:
        return None
    from jobs.data import value_range
    from jobs.spec import range_text

    try:
        return value_range.chosen(range_text.parse(value))
    except ValueError as error:
        raise click.BadParameter(f"{error}.", ctx, option) from None


@click.command(epilog=EPILOG)
@click.argument(
    "images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path)
)
@click.option(
    "--run",
    metavar="RUN",
    shell_complete=run_names,
    help="The run whose networks predict.  [default: the latest run]",
)
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="NAME",
    help="Only this network of the run. Repeatable.  [default: all]",
)
@setting_option
@split_option
@click.option(
    "--period",
    type=int,
    metavar="N",
    help="Use the networks as they were after this period.  [default: the newest evaluated]",
)
@click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda:0", help="Device to use."
)
@click.option(
    "--value-range",
    callback=_range,
    metavar="full|LOW,HIGH",
    help="Values of images beyond 8 bits that become black and white.  [default: as the data set]",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE|-",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Write a row for each image and network into a file; '-' prints them.",
)
@json_option
@store_option
@click.pass_obj
def predict_command(
    settings: Settings,
    images: tuple[Path, ...],
    run: str | None,
    backbones: tuple[str, ...],
    setting: dict[str, Any],
    split: int | None,
    period: int | None,
    device: str,
    value_range: Any,
    csv_file: Path | None,
    as_json: bool,
) -> int:
    """Classify images, or folders of images, with every backbone of a run.

    A backbone trained with several seeds answers with the mean of its networks; in a grid each of
    its settings answers for itself. Exit code 1 when a file is not a complete image or a network is
    damaged; everything else is answered all the same.
    """
    from jobs.data import image_paths
    from jobs.store.store import Store
    from orchestrator.analysis import trained_models

    if csv_file is not None and as_json:
        raise click.UsageError("--csv and --json were both given. Give only one of them.")
    paths = image_paths.find(images, unread := dict[Path, str]())
    _require_torch()
    store, faults = Store(settings.store).open(), dict[str, str]()
    _refuse_run_names(unread, store.run_names())
    of_split, number = _of_split(store, run, split, csv_file is not None)
    chosen = trained_models.choose_models(store, of_split, period, backbones, setting)
    with _asking(as_json) as predict:
        answered = predict(
            store, of_split.data, chosen.trials, paths, device, values=value_range, faults=faults
        )
    if as_json:
        emit(_facts(of_split.name, number, chosen, answered, device, unread, faults))
    else:
        _show(of_split.name, number, chosen, answered, csv_file)
    return _exit_code(answered, unread, faults)


def _show(
    run: str,
    split: int | None,
    chosen: TrainedModels,
    answered: Sequence[ImagePredictions],
    csv_file: Path | None,
) -> None:
    """Print a table for each image, or write rows."""
    from orchestrator.terminal import prediction_csv, prediction_table

    if csv_file is None:
        prediction_table.show(run, split, chosen, answered)
    else:
        prediction_csv.write(csv_file, chosen, answered)


def _of_split(
    store: Store, run: str | None, split: int | None, rows: bool
) -> tuple[Run, int | None]:
    """The run with the trials of one split, by default the first, and which of several it is.

    Tables begin with its name; `rows` do not.
    """
    from jobs.store import splits

    other = ("predict", "--run", "RUN", "IMAGE") if rows else ()
    whole = store.load_run(run) if run is not None else latest_with(store, "evaluate", other)
    return splits.chosen(store, whole, split), splits.meant(whole, split)


def _refuse_run_names(unread: Mapping[Path, str], runs: Sequence[str]) -> None:
    """Otherwise the images would be classified by the latest run, not by the one that is named."""
    if name := next((str(path) for path in unread if str(path) in runs), None):
        raise RequestError(f"{name} is a run, not an image. Name it with: --run {name}")


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchvision") is None:
        raise MissingExtra(
            f"predicting needs torch. Install it with: {install_hints.install_command('worker')}"
        )


def _exit_code(
    answered: list[ImagePredictions], unread: Mapping[Path, str], faults: Mapping[str, str]
) -> int:
    """1 if anything was not answered, which is named on stderr; else 0."""
    broken = [f"no prediction for {each.image}: {each.broken}" for each in answered if each.broken]
    wrong = [*unread.values(), *broken, *(f"not asked: {why}" for why in faults.values())]
    for line in wrong:
        click.echo(plain(line), err=True)
    return exit_codes.FAILED if wrong else exit_codes.DONE


@contextlib.contextmanager
def _asking(as_json: bool) -> Iterator[Callable[..., list[ImagePredictions]]]:
    """Yield `predict` with its progress shown: loading torch, then a bar."""
    from orchestrator.terminal import progress_bar

    with progress_bar.status_line("loading torch", as_json) as say:
        from models.evaluation.predict import predict

        say("predicting with every network")
        with progress_bar.progress_when_slow(
            "predicting with every network", "predictions", before=lambda: say("")
        ) as tell:
            yield functools.partial(predict, tell=tell)


def _facts(
    run: str,
    split: int | None,
    chosen: TrainedModels,
    answered: list[ImagePredictions],
    device: str,
    unread: Mapping[Path, str],
    faults: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "run": run,
        **({} if split is None else {"split_seed": split}),
        "device": device,
        "confidence": "mean softmax over the seeds of a backbone",
        "backbones": {
            name: [{"trial": task.subject, "epoch": task.epoch} for task in tasks]
            for name, tasks in chosen.trials.items()
        },
        "not_evaluated": list(chosen.absent),
        "images": [_answers(each) for each in answered if not each.broken],
        "broken": [
            {"image": str(each.image), "reason": each.broken} for each in answered if each.broken
        ]
        + [{"image": str(path), "reason": why} for path, why in unread.items()],
        "faults": dict(faults),
    }


def _answers(each: ImagePredictions) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "image": str(each.image),
        "known": asdict(each.known) if each.known else None,
        "answers": [
            {
                "backbone": answer.backbone,
                "answer": answer.top[0].label,
                "confidence": answer.top[0].confidence,
                "top": [asdict(choice) for choice in answer.top],
            }
            for answer in each.answers
        ],
    }
