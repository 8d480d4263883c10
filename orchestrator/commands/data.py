"""`orch data prepare` and `orch data inspect`: a data set without a run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs import install_hints
from jobs.errors import MissingExtra
from jobs.settings import Settings
from jobs.spec.fields import KEYS
from jobs.spec.texts import text
from orchestrator.formatting import plain
from orchestrator.submission import launch
from orchestrator.terminal.completion import COMPLETIONS
from orchestrator.terminal.options import emit, examples, json_option, store_option
from orchestrator.terminal.spec_options import spec_option

if TYPE_CHECKING:
    from jobs.spec.model import Spec

SHOWN = 10


@click.group(
    epilog=examples("orch data inspect photographs/", "orch data prepare digits"),
    invoke_without_command=True,
)
@click.pass_context
def data_command(ctx: click.Context) -> None:
    """Prepare a data set, or inspect a data folder."""
    if ctx.invoked_subcommand is None:
        raise click.UsageError(
            "a command is missing: give 'orch data inspect FOLDER' or 'orch data prepare FOLDER'."
        )


@data_command.command(epilog=examples("orch data inspect photographs/"))
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def inspect(folder: Path, as_json: bool) -> None:
    """Count classes and formats, and list broken files and duplicates of a folder of class
    folders.
    """
    from dataclasses import asdict

    from orchestrator.datasets.inspect import inspect_folder
    from orchestrator.terminal import progress_bar

    with progress_bar.progress_when_slow("inspecting the data folder", "readings") as tell:
        found = inspect_folder(folder, tell)
    if as_json:
        emit(asdict(found))
        return
    click.echo(
        f"{found.folder}: {found.files:,} files in {len(found.classes)} classes, "
        f"{found.bytes / 1e6:,.1f} MB"
    )
    for label, count in found.classes.items():
        click.echo(f"  {plain(label):<24} {count:>8,}")
    click.echo(
        "formats: "
        + (", ".join(f"{kind} {count:,}" for kind, count in found.formats.items()) or "none")
    )
    if not found.decoded:
        click.echo(
            f"Pillow is not installed: only the first bytes were checked. For more: "
            f"{install_hints.install_command('worker')}"
        )
    _list("broken files", [f"{path}: {fault}" for path, fault in found.broken.items()])
    _list("groups of exact duplicates", [" = ".join(group) for group in found.duplicates])
    _list("of them in several classes", [" = ".join(group) for group in found.contradictions])


def _list(title: str, lines: list[str]) -> None:
    click.echo(f"{title}: {len(lines) or 'none'}")
    for line in lines[:SHOWN]:
        click.echo(f"  {plain(line)}")
    if len(lines) > SHOWN:
        click.echo(f"  and {len(lines) - SHOWN} more (--json lists all)")


def _data_spec(folder: str, image_size: int | None, skip_broken: bool) -> Spec:
    """A spec with these data options; its backbone accepts any image size that some one does."""
    from jobs.catalog import backbones
    from jobs.spec import model

    undemanding = min(backbones.CATALOG.values(), key=lambda backbone: backbone.min_image_size)
    values: dict[str, Any] = {
        "data": folder,
        "backbones": [undemanding.name],
        "skip_broken": skip_broken,
    }
    return model.build(values | ({} if image_size is None else {"image_size": image_size}))


@data_command.command(
    epilog=examples("orch data prepare photographs/ --image-size 128", "orch data prepare digits")
)
@click.argument(
    "folder", metavar=text(str(KEYS["data"].metavar)), shell_complete=COMPLETIONS["data"]
)
@spec_option("image_size")
@click.option(
    "--skip-broken", is_flag=True, help="Leave out files that are no images.  [default: fail]"
)
@json_option
@store_option
@click.pass_obj
def prepare(
    settings: Settings, folder: str, image_size: int | None, skip_broken: bool, as_json: bool
) -> None:
    """Decode a folder's images into the store now, so that runs on it need not wait for that.

    A run asks for the same data set when its folder's contents, image size and --skip-broken are
    the same.
    """
    from jobs.data import sources
    from orchestrator import preflight
    from orchestrator.terminal import progress_bar

    wanted = _data_spec(folder, image_size, skip_broken)
    if importlib.util.find_spec("PIL") is None or importlib.util.find_spec("torch") is None:
        raise MissingExtra(
            "preparing images needs more packages. Install them with: "
            f"{install_hints.install_command('worker')}"
        )
    preflight.require_writable(settings.store)
    preflight.require_apart(settings.store, wanted.data)
    with progress_bar.progress_when_slow("reading the data folder") as tell:
        source = sources.read_source(wanted.data, tell)
    store = launch.open_store(settings)
    from orchestrator.datasets.prepare import prepare_data_set

    with progress_bar.progress_when_slow("preparing", "images") as tell:
        name, facts, known = prepare_data_set(store, source, wanted.data_settings(), tell)
    if as_json:
        told = {key: facts.get(key) for key in ("images", "skipped", "classes", "seconds")}
        emit({"data": name, "store": str(settings.store), "already": known, **told})
        return
    click.echo(
        f"data set {name} {'was ready already' if known else 'is ready'}: {facts['images']:,} "
        f"images, {len(facts['classes'])} classes, in {settings.store}"
    )
    if facts["skipped"]:
        _list("left out", list(facts["skipped"]))
