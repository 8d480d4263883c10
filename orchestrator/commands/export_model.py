"""`orch export model`: a trained network as files that other programs load without orch."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import click

from jobs import install_hints
from jobs.errors import MissingExtra
from jobs.settings import Settings, folder
from orchestrator.terminal.options import emit, examples, json_option, store_option

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = {
    "torch": ("worker", ("torch", "torchvision")),
    "safetensors": ("timm", ("safetensors",)),
    "onnx": ("onnx", ("onnx", "onnxruntime", "onnxscript")),
}
"""For each format, the extra and the modules that it needs."""


@click.command(
    "model",
    epilog=examples(
        "orch export model --backbone resnet34 --out resnet34/",
        "orch export model animals-3x10-77ab01 --backbone timm:vit_small_patch16_224 --seed 1 "
        "--format onnx --format safetensors --out vit/",
    ),
)
@click.argument("run", required=False)
@click.option("--backbone", required=True, metavar="NAME", help="The network to export.")
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
    type=click.Choice(tuple(NEEDED)),
    multiple=True,
    default=("torch",),
    help="A format to write. Repeatable.  [default: torch]",
)
@click.option(
    "--out", metavar="DIR", help="A new or empty folder.  [default: exports/RUN/TRIAL in the store]"
)
@json_option
@store_option
@click.pass_obj
def model_command(
    settings: Settings,
    run: str | None,
    backbone: str,
    seed: int | None,
    period: int | None,
    formats: tuple[str, ...],
    out: str | None,
    as_json: bool,
) -> None:
    """Write a trained network with its labels and preparation, to be used without orch.

    Each file is loaded again and compared with the trained network on the run's test images.
    Without RUN, the latest run is used.
    """
    from jobs.store.store import Store
    from orchestrator.analysis import trained_models
    from orchestrator.terminal import progress_bar

    place = None if out is None else folder(out, "--out")
    _need(("torch", *formats))
    store = Store(settings.store).open()
    chosen = store.load_run(run) if run is not None else store.latest_run()
    training = trained_models.choose_model(store, chosen, backbone, seed, period)
    name = f"{training.subject}-e{training.epoch:04d}"
    place = place or store.export_folder(chosen.name) / name
    with progress_bar.status_line("loading torch", as_json) as say:
        from models.export.write import export

        say("exporting the network")
        with progress_bar.progress_when_slow(
            "comparing on the test images", "images", before=lambda: say("")
        ) as tell:
            compared = export(store, chosen.name, training, formats, place, tell)
    if as_json:
        emit(
            {
                "run": chosen.name,
                "trial": training.subject,
                "epoch": training.epoch,
                "folder": str(place.absolute()),
                "formats": {name: _facts(each) for name, each in compared.items()},
            }
        )
    else:
        _tell(backbone, place, compared)


def _need(formats: tuple[str, ...]) -> None:
    """Raise `MissingExtra` for the first format that lacks a module."""
    for name in formats:
        extra, modules = NEEDED[name]
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            raise MissingExtra(
                f"this export needs {', '.join(missing)}. Install it with: "
                f"{install_hints.install_command(extra)}"
            )


def _facts(parity: Any) -> dict[str, Any]:
    return {
        "test_images": parity.images,
        "max_score_difference": parity.max_score_difference,
        "other_answers": list(parity.others),
    }


def _tell(backbone: str, place: Path, compared: dict[str, Any]) -> None:
    from models.export import card

    click.echo(f"{backbone}: written to {place} (README.md there says how to use it)")
    for name, parity in compared.items():
        click.echo(f"{card.NAMES[name]}: {card.told(parity)}")
        for other in parity.others:
            click.echo(
                f"  {other.image}: {other.exported} instead of {other.torch}, margin "
                f"{other.margin:.2g}"
            )
