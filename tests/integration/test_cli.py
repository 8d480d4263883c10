"""The command line as a person meets it: help, examples, defaults, and signs of slow work."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.command_lines import commands
from support.fakes import fill_store
from support.half_done import half_done_run

from jobs import exit_codes
from orchestrator import cli
from orchestrator.terminal import progress_bar


def test_orch_alone_shows_the_help_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """No request is not an invalid one."""
    code = cli.run([])

    assert code == 0
    assert "Usage: orch" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`orch --version` names the program and a version."""
    code = cli.run(["--version"])

    assert code == 0
    assert capsys.readouterr().out.startswith("orch ")


def test_too_long_a_name_for_a_socket_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Processes that work together use a socket in the temporary folder, whose path may have 107
    characters.
    """

    def refuse(**_: object) -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(cli.cli, "main", refuse)

    assert cli.run([]) == 1
    assert "Set TMPDIR to a shorter path" in capsys.readouterr().err


def test_a_second_ctrl_c_ends_at_once_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a command was interrupted, the next signal has the system's default effect."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    monkeypatch.setattr(cli, "run", lambda: exit_codes.SIGNALLED + signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert left.value.code == 130
    assert after == signal.SIG_DFL


def test_a_closed_terminal_ends_a_waiting_command_with_its_code(tmp_path: Path) -> None:
    """Nothing can be written there any more, which is no error."""
    store, run = half_done_run(tmp_path)
    child, screen = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may run under nohup
        watch = [sys.executable, "-m", "orchestrator.cli", "watch", run.name]
        os.execv(sys.executable, [*watch, "--store", str(store.root)])
    shown = b""
    while b"resnet34" not in shown:
        shown += os.read(screen, 65536)

    os.close(screen)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert code == 128 + signal.SIGHUP


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_is_found_under_its_own_name(name: str) -> None:
    """Every entry of the table of commands has the function that it names."""
    command = cli.cli.get_command(click.Context(cli.cli), name)

    assert command is not None
    assert command.name == name


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_command_shows_an_example_that_parses(command: click.Command) -> None:
    """Every help text ends with an example command."""
    from support.command_lines import parse

    shown = [
        line.strip()
        for line in (command.epilog or "").splitlines()
        if line.strip().startswith("orch")
    ]
    parsed = [parse(line) for line in shown]

    assert parsed


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_option_says_what_it_does_and_its_default(command: click.Command) -> None:
    """Options that are not flags show a default, in the help text or from click."""
    given = [
        option
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
    ]
    silent = [
        option.opts[0]
        for option in given
        if not option.multiple
        and option.flag_value is None
        and "default:" not in (option.help or "")
        and not option.show_default
    ]

    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert silent == []


def test_the_defaults_that_the_help_of_submit_shows_are_those_of_the_spec() -> None:
    """The help text is written by hand, so that it need not import the specification; it must match
    it.
    """
    from jobs.spec.model import Spec

    submit = cli.cli.get_command(click.Context(cli.cli), "submit")
    assert submit is not None
    helps = {
        option.name: option.help or ""
        for option in submit.params
        if isinstance(option, click.Option)
    }
    fields = {
        name: field.default
        for name, field in Spec.model_fields.items()
        if name in helps and not field.is_required()
    }
    wrong = [
        name
        for name, value in fields.items()
        if value not in (None, False, ()) and f"[default: {value}" not in helps[name]
    ]
    digits = Spec(backbones="all")  # type: ignore[arg-type]

    assert len(fields) >= 10
    assert wrong == []
    assert f"{digits.image_size} for digits" in helps["image_size"]
    assert f"{digits.weights} for digits" in helps["weights"]


def test_the_catalog_is_listed_as_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads names and parameter counts; Scratch has the study's."""
    code = cli.run(["models", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["models"]}

    assert code == 0
    assert rows["scratch"]["parameters"] == 6_983_444


@pytest.mark.parametrize(
    "given",
    [
        ["--backbone", "scratch, vgg16"],
        ["--backbone", "scratch", "--backbone", "vgg16"],
        ["--backbone", "scratch,vgg16,scratch"],
    ],
    ids=" ".join,
)
def test_backbones_may_be_named_with_commas(given: list[str]) -> None:
    """As a list, as repeated options, or both; each backbone is compared once."""
    from orchestrator.commands.submit import submit_command
    from orchestrator.submission import begin, request

    options = submit_command.make_context("submit", given, resilient_parsing=True).params
    keys = request.given_keys({"all_backbones": False, "backbones": options["backbones"]})
    asked = begin.spec_of(None, keys)

    assert asked.backbones == ("scratch", "vgg16")


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "quiet", "shown"),
    [
        (Terminal(), False, "\r\x1b[Kloading ...\r\x1b[Kasking ...\r\x1b[K"),
        (Terminal(), True, ""),
        (io.StringIO(), False, ""),
    ],
    ids=["terminal", "for a program", "file"],
)
def test_slow_work_is_told_in_one_line_that_goes_away(
    out: io.StringIO, quiet: bool, shown: str
) -> None:
    """Only on a terminal, and not for programs."""
    with progress_bar.status_line("loading", quiet, out) as say:
        say("asking")

    assert out.getvalue() == shown


def test_a_bar_leaves_nothing_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even an empty line."""
    with progress_bar.progress_when_slow("exporting", patience_s=-1.0) as tell:
        tell(1, 2)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "words", [["models", "scratch"], ["report", "--format", "json"]], ids=" ".join
)
def test_slow_commands_show_that_they_work(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status line is shown on a terminal while libraries are loaded, and removed at the end."""
    pytest.importorskip("torch")
    fill_store(tmp_path / "store", backbones=["scratch"], pixels=False)
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("sys.stderr", screen := Terminal())

    code = cli.run(words)

    assert code == 0
    assert " ..." in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_output_that_nobody_reads_has_an_exit_code_of_its_own() -> None:
    """As `head` does to a long output; without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "orchestrator.cli", "presets"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)

    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_sigterm_while_a_command_loads_is_told() -> None:
    """With the exit code that it has later."""
    program = """
import signal, sys
from orchestrator import cli
class Sender:
    def find_spec(name, path=None, target=None):
        if name.startswith("orchestrator.commands."):
            signal.raise_signal(signal.SIGTERM)
sys.meta_path.insert(0, Sender)
cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "status"], capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 128 + signal.SIGTERM
    assert ended.stderr == "error: stopped by SIGTERM. Give the same command again to go on.\n"
