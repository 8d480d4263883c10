"""`orch data prepare` and `orch data inspect`: work on a data set without a run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobs import install_hints
from jobs.catalog.built_in_data import BUILT_IN_DATA
from jobs.errors import BadSpec, MissingExtra
from jobs.settings import Settings
from jobs.spec.keys import KEYS
from jobs.spec.texts import text
from orchestrator.submission import launch
from orchestrator.terminal.completion import COMPLETIONS
from orchestrator.terminal.options import emit, examples, json_option, store_option
from orchestrator.terminal.spec_options import spec_option

if TYPE_CHECKING:
    from jobs.spec.model import Spec

F = TypeVar("F", bound=Callable[..., Any])
TOLD = ("images", "skipped", "classes", "seconds", "value_range", "low_contrast")


def source_options(command: F) -> F:
    """The options that say where images, labels and groups come from."""
    for name in ("classes_at_top", "value_range", "group_by_name", "group_by", "images"):
        command = spec_option(name)(command)
    return command


@click.group(
    epilog=examples("orch data inspect photographs/", "orch data prepare digits"),
    invoke_without_command=True,
)
@click.pass_context
def data_command(ctx: click.Context) -> None:
    """Prepare a data set, or inspect it."""
    if ctx.invoked_subcommand is None:
        raise click.UsageError(
            "a command is missing. Give 'orch data inspect FOLDER' or 'orch data prepare FOLDER'."
        )


@data_command.command(
    epilog=examples(
        "orch data inspect photographs/",
        "orch data inspect labels.csv --images photographs/ --group-by patient --html data.html",
    )
)
@click.argument(
    "folder", metavar=text(str(KEYS["data"].metavar)), shell_complete=COMPLETIONS["data"]
)
@source_options
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a page with a chart of the classes and sample images.  [default: none]",
)
@json_option
def inspect(folder: str, html: Path | None, as_json: bool, **options: Any) -> int:
    """Count the images of each class and split, and list what is broken or odd.

    Exit code 1 when files are broken, or have no common range of values.
    """
    from dataclasses import asdict

    from jobs.data import sources
    from orchestrator.datasets import inspect_text
    from orchestrator.datasets.inspect import inspect_source
    from orchestrator.terminal import progress_bar

    wanted = _data_spec(folder, options)
    if wanted.data in BUILT_IN_DATA:
        raise BadSpec(
            f"{wanted.data} is built in and has no files to inspect. Prepare it with: "
            f"orch data prepare {wanted.data}"
        )
    if html is not None:
        _require_for_page()
    with progress_bar.progress_when_slow("reading the data") as tell:
        source = sources.read(wanted, tell, any_range=True)
    with progress_bar.progress_when_slow("looking at the images", "images") as tell:
        inspection = inspect_source(source, wanted.data_settings(), tell)
    if html is not None:
        from orchestrator.datasets import inspection_page

        inspection_page.write(html, source, inspection)
    if as_json:
        emit(asdict(inspection))
    else:
        for line in inspect_text.lines(inspection):
            click.echo(line)
    return 1 if inspection.broken or "fault" in (inspection.value_range or {}) else 0


def _require_for_page() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "matplotlib", "PIL")):
        raise MissingExtra(
            "a page needs more packages. Install them with: "
            f"{install_hints.install_command('report')}"
        )


def _list(title: str, lines: list[str]) -> None:
    from orchestrator.datasets import inspect_text

    for line in inspect_text.listed(title, lines):
        click.echo(line)


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
@source_options
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
