"""The command `orch`: lazily loaded subcommands, and the only place that catches errors."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from orchestrator import own_packages
from orchestrator.formatting import plain
from orchestrator.terminal import signals
from orchestrator.terminal.options import store_option

COMMANDS = {
    "submit": (
        "submit:submit_command",
        "Submit a comparison: train in periods, evaluate after each.",
    ),
    "rank": (
        "rank:rank_command",
        "Rank networks by their frozen features, before any is trained.",
    ),
    "status": ("status:status_command", "Show the progress of a run; without RUN, list the runs."),
    "watch": ("watch:watch_command", "Follow the progress of a run until it ends."),
    "logs": ("logs:logs_command", "Show the logs of a task's attempts, of a run, or of a worker."),
    "report": ("report:report_command", "Write a report that compares the backbones of a run."),
    "evaluate": (
        "evaluate:evaluate_command",
        "Evaluate a run's trained networks on other labelled images.",
    ),
    "bench": (
        "bench:bench_command",
        "Measure the trained networks: latency, memory, size, int8.",
    ),
    "predict": ("predict:predict_command", "Classify images with every backbone of a run."),
    "export": (
        "export:export_command",
        "Export a trained network, or results to TensorBoard, MLflow.",
    ),
    "resume": (
        "resume:resume_command",
        "Continue a run: start missing workers, enqueue ready tasks.",
    ),
    "retry": ("resume:retry_command", "Retry only the failed tasks of a run."),
    "cancel": ("cancel:cancel_command", "Cancel a run; results and checkpoints are kept."),
    "verify": ("verify:verify_command", "Verify the checksums of a run's files."),
    "rm": ("rm:rm_command", "Remove a run; what other runs share with it is kept."),
    "prune": ("prune:prune_command", "Remove leftovers of dead attempts, and old checkpoints."),
    "models": ("models:models_command", "List the backbones; with NAME, list its layers."),
    "presets": ("presets:presets_command", "List the presets of a recipe with what each sets."),
    "data": ("data:data_command", "Prepare a data set, or inspect a data folder."),
    "worker": ("worker:worker_command", "Run tasks on one device until stopped."),
    "workers": ("workers:workers_command", "List the workers: device, task, last heard, drained."),
    "drain": ("workers:drain_command", "Let a worker, or a host's workers, take no further task."),
    "undrain": ("workers:undrain_command", "Let drained workers take tasks again."),
    "up": ("stack:up_command", "Start the embedded broker and local workers."),
    "down": ("stack:down_command", "Stop local workers and the embedded broker."),
    "metrics": (
        "metrics:metrics_command",
        "Print the state of the store for Prometheus, or serve it.",
    ),
    "flower": ("flower:flower_command", "Show the queue in a browser (Flower)."),
    "doctor": ("doctor:doctor_command", "Check this machine: what is missing and how to fix it."),
}
"""Module in `orchestrator.commands`, function, and help text of each command.

The help texts are here so that `orch --help` does not import every command.
"""

LONGEST = 4000
MAX_COLUMNS = 100
COMPLETING = "_ORCH_COMPLETE"
"""Set by a shell that wants a word completed."""

EXAMPLE = """\b
Examples:
  orch submit --all-backbones --periods 3 --wait
  orch submit --backbone resnet34 --data photographs/ --image-size 128
  orch report"""


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and suggests the closest name."""

    def make_context(self, *given: Any, **extra: Any) -> click.Context:
        # Otherwise click imports shutil and its compression modules for it: 4 ms.
        return super().make_context(*given, **{"terminal_width": _help_width(), **extra})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"orchestrator.commands.{module}"), attribute
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from orchestrator.terminal import command_words

            hint = command_words.advice(args[0], COMMANDS)
            raise click.UsageError(f"unknown command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from jobs import exit_codes

        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would exit with 1, the code of a failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(exit_codes.UNREAD) from error
        except KeyboardInterrupt as interrupt:
            if sys.stderr and sys.stderr.isatty():
                raise  # click ends the line that shows ^C
            raise click.Abort from interrupt


def _help_width() -> int:
    """Width of help texts in columns: that of the terminal, from 50 to 98."""
    columns = 0
    with contextlib.suppress(ValueError):
        columns = int(os.environ.get("COLUMNS", ""))
    if columns <= 0:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
    return max(min(columns if columns > 0 else 80, MAX_COLUMNS) - 2, 50)


def _print_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        click.echo(f"orch {metadata.version('orch')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    epilog=EXAMPLE,
    invoke_without_command=True,
    context_settings={
        "max_content_width": MAX_COLUMNS,
        "token_normalize_func": lambda word: word.replace("_", "-"),
    },
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@store_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Compare image-classification backbones on one computer or on many GPU machines.

    \b
    Environment:
      ORCH_STORE        the shared folder that holds data sets, trials and runs
      ORCH_BROKER_URL   the Redis that all workers use; if unset, orch starts its own
      ORCH_WEIGHTS_DIR  pretrained weights, files named <torchvision name>.pth
      ORCH_BROKER_PASSWORD_FILE, ORCH_BROKER_CA, ORCH_BROKER_CERT, ORCH_BROKER_KEY
                        files for that Redis: its password, its authority, our certificate

    Exit codes: 0 success, 1 failure, 2 invalid request (nothing written).
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the arguments and return the exit code; an error is one line on stderr."""
    own_packages.leave_current_folder()
    if hidden := own_packages.problem():
        return _complain(hidden, 2)  # `jobs.exit_codes` may be hidden too
    own_packages.protect(os.environ)
    return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    from jobs.errors import OrchError
    from orchestrator.parameter_names import ON_COMMAND_LINE

    asked_here = ON_COMMAND_LINE.set(True)
    try:
        return _main(arguments)
    except OrchError as error:
        return _complain(str(error), error.exit_code)
    finally:
        ON_COMMAND_LINE.reset(asked_here)


def _main(arguments: Sequence[str] | None) -> int:
    from jobs import exit_codes

    if COMPLETING in os.environ:
        from orchestrator.terminal import bash_completion

        bash_completion.register()
    try:
        code: Any = cli.main(args=arguments, prog_name="orch", standalone_mode=False)
        return code if isinstance(code, int) else exit_codes.DONE
    except click.ClickException as error:
        from orchestrator.terminal import usage_errors

        return _complain(
            usage_errors.error_line(error),
            error.exit_code if error.exit_code != exit_codes.FAILED else exit_codes.INVALID,
        )
    except (KeyboardInterrupt, click.Abort) as interrupt:
        return _interrupted(exit_codes.SIGNALLED, signals.of(interrupt))
    except OSError as error:
        if "AF_UNIX path too long" in str(error):
            return _complain(
                "the path of the temporary folder is too long for a socket. Set TMPDIR to a "
                "shorter path, such as /tmp.",
                exit_codes.FAILED,
            )
        if isinstance(error, PermissionError) and isinstance(error.filename, str):
            from pathlib import Path

            from jobs import permissions

            return _complain(str(permissions.denied(Path(error.filename))), exit_codes.FAILED)
        where = f" {error.filename}" if error.filename else ""
        return _complain(f"system error{where}: {error.strerror or error}.", exit_codes.FAILED)


def _interrupted(base: int, number: int) -> int:
    if number == signal.SIGINT:
        return base + number
    return _complain("stopped by SIGTERM. Give the same command again to go on.", base + number)


def _complain(message: str, code: int) -> int:
    line = plain(" ".join(each.strip() for each in message.splitlines()))
    shown = line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    click.echo(f"error: {shown}", err=True)
    return code


def main() -> None:
    """Entry point: exits with the code of `run`. File names that are not UTF-8 are escaped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    signals.catch()
    code = run()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # Ctrl-C while threads end must not show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


if __name__ == "__main__":
    main()
