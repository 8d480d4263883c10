"""`orch export model`: a trained network as files that other programs load without orch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobs.settings import Settings, folder
from orchestrator.terminal.options import (
    emit,
    examples,
    json_option,
    setting_option,
    split_option,
    store_option,
)
from orchestrator.terminal.run_argument import run_argument

if TYPE_CHECKING:
    from orchestrator.exported import Exported

VALUES = " These are at most 64, as its values are torch's own."
MORE = {
    "torch": VALUES,
    "safetensors": VALUES,
    "int8": " provenance.json lists the images that get another answer.",
}
"""What else is said of the files of a format."""
FORMATS = ("torch", "safetensors", "onnx", "int8")


@click.command(
    "model",
    epilog=examples(
        "orch export model --backbone resnet34 --out resnet34/",
        "orch export model animals-3x10-77ab01 --backbone timm:vit_small_patch16_224 --seed 1 "
        "--format onnx --format safetensors --out vit/",
    ),
)
@run_argument("name")
@click.option("--backbone", required=True, metavar="NAME", help="The network to export.")
@setting_option
@split_option
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="The seed that it was trained with; needed where there are several.",
)
@click.option(
    "--period",
    type=int,
    metavar="N",
    help="The network as it was after this period.  [default: the newest evaluated]",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    default=("torch",),
    help="A format to write; int8: ONNX with 8-bit numbers. Repeatable.  [default: torch]",
)
@click.option(
    "--out", metavar="DIR", help="A new or empty folder.  [default: exports/RUN/TRIAL in the store]"
)
@json_option
@store_option
@click.pass_obj
def model_command(
    settings: Settings,
    /,
    name: str | None,
    formats: tuple[str, ...],
    out: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Write a trained network with its labels and preparation, to be used without orch.

    Each file is loaded again and compared with the trained network on the run's test images.
    Without RUN, the latest run is used.
    """
    from jobs.store import splits
    from orchestrator import api
    from orchestrator.terminal import progress_bar

    place = None if out is None else folder(out, "--out")
    run = api.open_store(settings.store).run(name or _latest(settings, as_json))
    with (
        progress_bar.status_line("exporting the network", as_json) as say,
        progress_bar.progress_when_slow(
            "comparing on the test images", "images", before=lambda: say("")
        ) as tell,
    ):
        written = run.export(path=place, formats=formats, tell=tell, **chosen)
    if as_json:
        emit(
            {
                "run": run.name,
                "trial": written.trial,
                "epoch": written.epoch,
                "folder": str(written.folder.absolute()),
                "formats": {form: _facts(each) for form, each in written.compared.items()},
            }
        )
    else:
        _tell(chosen["backbone"], splits.meant(run.record, chosen["split"]), written)


def _latest(settings: Settings, as_json: bool) -> str:
    from jobs.store.store import Store
    from orchestrator.terminal.latest import latest_with

    other = () if as_json else ("export", "model", "RUN")
    return latest_with(Store(settings.store).open(), "evaluate", other).name


def _facts(parity: Any) -> dict[str, Any]:
    facts = {
        "test_images": parity.images,
        "max_score_difference": parity.max_score_difference,
        "other_answers": list(parity.others),
    }
    return facts if parity.quantised is None else facts | {"quantised": parity.quantised}


def _tell(backbone: str, split: int | None, written: Exported) -> None:
    from models.export import card

    of_split = "" if split is None else f" of split {split} (--split chooses another)"
    click.echo(
        f"{backbone}{of_split}: written to {written.folder} (README.md there says how to use it)"
    )
    for name, parity in written.compared.items():
        click.echo(f"{card.NAMES[name]}: {card.told(parity)}{MORE.get(name, '')}")
        for other in () if name == "int8" else parity.others:
            click.echo(
                f"  {other.image}: {other.exported} instead of {other.torch}, margin "
                f"{other.margin:.2g}"
            )
