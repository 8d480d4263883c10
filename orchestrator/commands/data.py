"""`orch data prepare` and `orch data inspect`: work on a data set without a run."""

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
    from jobs.spec.model import DataSettings, Spec
    from orchestrator.datasets.inspect import Inspection

SHOWN = 10
TOLD = ("images", "skipped", "classes", "seconds", "value_range", "low_contrast")


@click.group(
    epilog=examples("orch data inspect photographs/", "orch data prepare digits"),
    invoke_without_command=True,
)
@click.pass_context
def data_command(ctx: click.Context) -> None:
    """Prepare a data set, or inspect a data folder."""
    if ctx.invoked_subcommand is None:
        raise click.UsageError(
            "a command is missing. Give 'orch data inspect FOLDER' or 'orch data prepare FOLDER'."
        )


@data_command.command(epilog=examples("orch data inspect photographs/"))
@click.argument("folder", type=click.Path(path_type=Path))
@spec_option("value_range")
@spec_option("classes_at_top")
@json_option
def inspect(
    folder: Path, value_range: str | None, classes_at_top: bool | None, as_json: bool
) -> int:
    """Count classes and formats of a folder of class folders, and list what is broken or odd.

    Exit code 1 when files are broken, or have no common range of values.
    """
    from dataclasses import asdict

    from orchestrator.datasets.inspect import inspect_folder
    from orchestrator.terminal import progress_bar

    settings = _settings(value_range)
    with progress_bar.progress_when_slow("inspecting the data folder", "readings") as tell:
        found = inspect_folder(folder, tell, settings, bool(classes_at_top))
    if as_json:
        emit(asdict(found))
    else:
        _show(found)
    return 1 if found.broken or "fault" in (found.value_range or {}) else 0


def _settings(range_text: str | None) -> DataSettings:
    from jobs.errors import BadSpec
    from jobs.spec import model

    try:
        given = {} if range_text is None else {"value_range": range_text}
        return model.DataSettings.model_validate(given)
    except ValueError as error:
        from jobs.spec import value_errors

        raise BadSpec(f"{value_errors.first_problem(error, model.DataSettings)}.") from None


def _show(found: Inspection) -> None:
    from jobs.data import value_range

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
            f"Pillow is not installed, so only the first bytes were checked. For a full check: "
            f"{install_hints.install_command('worker')}"
        )
    if found.value_range and "fault" not in found.value_range:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.value_range["kinds"].items())
        click.echo(f"values beyond 8 bits: {value_range.in_words(found.value_range)} ({kinds})")
    _list("broken files", [f"{path}: {fault}" for path, fault in found.broken.items()])
    _list("groups of exact duplicates", [" = ".join(group) for group in found.duplicates])
    _list("equal images in several classes", [" = ".join(group) for group in found.contradictions])
    _list("notes", found.notes)


def _list(title: str, lines: list[str]) -> None:
    click.echo(f"{title}: {len(lines) or 'none'}")
    for line in lines[:SHOWN]:
        click.echo(f"  {plain(line)}")
    if len(lines) > SHOWN:
        click.echo(f"  and {len(lines) - SHOWN} more (--json lists all)")


def _data_spec(folder: str, options: dict[str, Any]) -> Spec:
    """A spec with these data options; its backbone accepts any image size that some one does."""
    from jobs.catalog import backbones
    from jobs.spec import model

    undemanding = min(backbones.CATALOG.values(), key=lambda backbone: backbone.min_image_size)
    given = {key: value for key, value in options.items() if value is not None}
    return model.build({"data": folder, "backbones": [undemanding.name], **given})


def _shares(ctx: click.Context, option: click.Parameter, value: str | None) -> list[int] | None:
    """Callback: `60,20,20` as three shares."""
    if value is None:
        return None
    try:
        return [int(share) for share in value.strip("[]").split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{value[:80]!r} is not three shares such as 70,10,20.", ctx, option
        ) from None


@data_command.command(
    epilog=examples("orch data prepare photographs/ --image-size 128", "orch data prepare digits")
)
@click.argument(
    "folder", metavar=text(str(KEYS["data"].metavar)), shell_complete=COMPLETIONS["data"]
)
@spec_option("image_size")
@click.option(
    "--split",
    callback=_shares,
    metavar="TRAIN,VAL,TEST",
    help="Percent for training, validation, test.  [default: 70,10,20]",
)
@click.option("--split-seed", type=int, metavar="N", help="Draws the split.  [default: 0]")
@click.option(
    "--skip-broken", is_flag=True, help="Leave out files that are no images.  [default: fail]"
)
@spec_option("value_range")
@spec_option("classes_at_top")
@json_option
@store_option
@click.pass_obj
def prepare(settings: Settings, /, folder: str, as_json: bool, **options: Any) -> None:
    """Decode a folder's images into the store now, so that runs on it need not wait for that.

    A run asks for the same data set when its folder's contents and these options are the same.
    """
    from jobs.data import sources, value_range
    from orchestrator import preflight
    from orchestrator.terminal import progress_bar

    wanted = _data_spec(folder, options)
    if importlib.util.find_spec("PIL") is None or importlib.util.find_spec("torch") is None:
        raise MissingExtra(
            "preparing images needs more packages. Install them with: "
            f"{install_hints.install_command('worker')}"
        )
    preflight.require_writable(settings.store)
    preflight.require_apart(settings.store, wanted.data)
    with progress_bar.progress_when_slow("reading the data folder") as tell:
        source = sources.read(wanted, tell)
    store = launch.open_store(settings)
    from orchestrator.datasets.prepare import prepare_data_set

    with progress_bar.progress_when_slow("preparing", "images") as tell:
        name, facts, known = prepare_data_set(store, source, wanted.data_settings(), tell)
    if as_json:
        told = {key: getattr(facts, key) for key in TOLD}
        emit({"data": name, "store": str(settings.store), "already": known, **told})
        return
    click.echo(
        f"data set {name} {'was already prepared' if known else 'is prepared'}: "
        f"{facts.images or 0:,} images, {len(facts.classes or ())} classes, in {settings.store}"
    )
    if facts.value_range:
        click.echo(f"values beyond 8 bits: {value_range.in_words(facts.value_range)}")
    if facts.skipped:
        _list("left out", list(facts.skipped))
    if facts.low_contrast:
        _list("use less than a tenth of the range from black to white", list(facts.low_contrast))
