"""`orch models`: the catalog, or one network's layers."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobs import install_hints
from jobs.errors import BadSpec, MissingExtra
from jobs.settings import Settings
from orchestrator.terminal import completion
from orchestrator.terminal.options import emit, examples, json_option

LAYERS_SIZE = 224
"""Side of the images for a layer table, in pixels."""


@click.command(
    epilog=examples(
        "orch models",
        "orch models scratch --classes 20 --image-size 224",
        "orch models timm:vit_small_patch16_224",
        "orch models --search vit_small --json",
    )
)
@click.argument("name", required=False, shell_complete=completion.one_of(completion.backbones))
@click.option(
    "--classes",
    type=click.IntRange(2, 1_000_000),
    default=20,
    show_default=True,
    help="Number of classes: outputs of the last layer.",
)
@click.option(
    "--image-size",
    type=click.IntRange(8, 2048),
    metavar="PIXELS",
    help="Width and height of the images, for layers and multiply-adds.  [default: 224; of a "
    "search: the network's own]",
)
@click.option(
    "--search",
    "word",
    metavar="WORD",
    help="List networks of torchvision and timm whose names hold this.",
)
@click.option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Networks that a search describes.",
)
@json_option
@click.pass_obj
def models_command(
    settings: Settings,
    name: str | None,
    classes: int,
    image_size: int | None,
    word: str | None,
    most: int,
    as_json: bool,
) -> None:
    """List the backbones with their parameter counts; with NAME, list its layers."""
    from jobs.catalog import backbones

    if word is not None and name is not None:
        raise BadSpec("NAME and --search were both given. Give only one of them.")
    if word is not None:
        _search(settings, word, classes, image_size, most, as_json)
        return
    if name is not None and (name in backbones.CATALOG or ":" not in name):
        _layers(backbones.find_backbone(name), classes, image_size or LAYERS_SIZE, as_json)
        return
    if name is not None:
        _layers_outside_catalog(name, classes, image_size, as_json)
        return
    rows = [_row(entry, classes) for entry in backbones.CATALOG.values()]
    if as_json:
        emit({"classes": classes, "models": rows})
        return
    click.echo(f"{'name':<21} {'parameters':>12}  {'weights':<8}  description ({classes} classes)")
    for row in rows:
        origin = "ImageNet" if row["weights_file"] else "random"
        size = "unknown" if row["parameters"] is None else f"{row['parameters']:,}"
        click.echo(f"{row['name']:<21} {size:>12}  {origin:<8}  {row['summary']}")


def _search(
    settings: Settings, word: str, classes: int, image_size: int | None, most: int, as_json: bool
) -> None:
    """The networks of torchvision and timm that a search finds."""
    from orchestrator import network_check
    from orchestrator.terminal import progress_bar

    with progress_bar.status_line("asking torch", as_json):
        answer = network_check.search(word, classes, image_size, settings.weights_dir, most)
    if as_json:
        emit({"classes": classes, "search": word, **answer})
        return
    click.echo(
        f"{'name':<44} {'parameters':>12} {'billions of':>13} {'at':>3}  {'native':>6}  weights"
    )
    click.echo(f"{'':<44} {f'({classes} cl.)':>12} {'multiply-adds':>13} {'px':>3}  {'px':>6}")
    for row in answer["networks"]:
        click.echo(_network_line(row))
    hidden = answer["found"] - len(answer["networks"])
    if hidden:
        click.echo(f"and {hidden:,} more: --most {answer['found']}, or a longer word")


def _network_line(row: dict[str, Any]) -> str:
    if "image_size" not in row:
        return f"{row['name']:<44} {row.get('problem', '')}"
    parameters = "unknown" if row["parameters"] is None else f"{row['parameters']:,}"
    gmacs = "unknown" if row["gmacs"] is None else f"{row['gmacs']:,.3f}"
    told = ["here" if row["weights_here"] else "to be downloaded"]
    if row["licence"]:
        told.append(row["licence"])
    sizes = f"{row['counted_at']:>3}  {row['image_size']:>6}"
    return f"{row['name']:<44} {parameters:>12} {gmacs:>13} {sizes}  {', '.join(told)}"


def _row(entry: Any, classes: int) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "parameters": entry.parameters(classes),
        "weights_file": entry.weights_file,
        "min_image_size": entry.min_image_size,
        "summary": entry.summary,
    }


def _layers(entry: Any, classes: int, image_size: int, as_json: bool) -> None:
    if image_size < entry.min_image_size:
        raise BadSpec(
            f"--image-size {image_size} is too small for {entry.name}; give {entry.min_image_size} "
            "or more."
        )
    if importlib.util.find_spec("torchvision") is None:
        raise MissingExtra(
            "listing the layers needs torch. Install it with: "
            f"{install_hints.install_command('worker')}"
        )
    from orchestrator.terminal import progress_bar

    with progress_bar.status_line("loading torch", as_json):
        from models.networks import summary

        table = summary.summarise(entry.name, classes, image_size)
    layers = [
        {"layer": r.layer, "output": list(r.output), "parameters": r.parameters} for r in table.rows
    ]
    if as_json:
        emit(
            {
                **_row(entry, classes),
                "classes": classes,
                "image_size": image_size,
                "layers": layers,
                "parameters": table.total,
            }
        )
        return
    click.echo(f"{entry.title}, {classes} classes, {image_size} px: {entry.summary}")
    _print_layers(layers, table.total)


def _layers_outside_catalog(name: str, classes: int, image_size: int | None, as_json: bool) -> None:
    """The layers of a network that only torch can build, in a process of its own."""
    from orchestrator import network_check
    from orchestrator.terminal import progress_bar

    with progress_bar.status_line("asking torch", as_json):
        answer = network_check.describe(name, classes, image_size)
    if as_json:
        emit(answer)
        return
    click.echo(
        f"{answer['name']}, {classes} classes, {answer['image_size']} px: "
        f"{answer['gmacs']:,.3f} billion multiply-adds; images: {answer['resize']}, "
        f"{answer['interpolation']}, crop {answer['crop']:g}, mean "
        f"{_colour(answer['mean'])}, deviation {_colour(answer['deviation'])}"
    )
    _print_layers(answer["layers"], answer["parameters"])


def _colour(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


def _print_layers(layers: Sequence[Mapping[str, Any]], total: int) -> None:
    click.echo(f"{'layer':<24} {'output':>18} {'parameters':>14}")
    for row in layers:
        shape = " x ".join(str(side) for side in row["output"])
        click.echo(f"{row['layer']:<24} {shape:>18} {row['parameters']:>14,}")
    click.echo(f"{'total, all trainable':<24} {'':>18} {total:>14,}")
