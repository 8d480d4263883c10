"""docs/commands.md, written from the commands themselves; `make reference` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from jobs.install_hints import HOME
from orchestrator.cli import COMMANDS, cli

PAGE = HOME / "docs" / "commands.md"
HEAD = """# Commands
Every command with its options, as `orch COMMAND --help` shows them. `make reference` writes this
page from the code. What `--json` prints is in [json.md](json.md); exit codes and variables of the
environment are in [environment.md](environment.md).
"""
TAB = "\b\n"
"""How click marks a paragraph that keeps its lines."""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *(_section(name, command) for name, command in all_commands())]
    return "\n".join(parts)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, with its full name, those within groups too."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield f"orch {name} {inner.name}", inner
        elif command is not None:
            yield f"orch {name}", command


def example_lines(command: click.Command) -> list[str]:
    """The command lines of its examples."""
    lines = (command.epilog or "").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("orch ")]


def _section(name: str, command: click.Command) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command))])
    blocks = [
        f"## `{name}`",
        f"```text\n{usage}\n```",
        _prose(command.help or ""),
        _options(command),
        _examples(command),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _prose(text: str) -> str:
    """A help text as Markdown: paragraphs, and lists of names as they stand."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(_paragraph(each) for each in paragraphs)


def _paragraph(text: str) -> str:
    if text.startswith(TAB):
        return f"```text\n{text.removeprefix(TAB)}\n```"
    return _escaped("\n".join(line.strip() for line in text.splitlines()))


def _escaped(text: str) -> str:
    """Text in which Markdown sees nothing but text; words of a command line become code."""
    plain = re.sub(r"([<*|])", r"\\\1", text)
    return re.sub(r"'(orch [^']+)'", lambda match: f"`{match[1]}`".replace("\\", ""), plain)


def _options(command: click.Command) -> str:
    context = click.Context(command)
    records = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and record[1] and record[0] != "--help"
    ]
    rows = [f"| {_code(words)} | {_escaped(told)} |" for words, told in records]
    return "\n".join(["| option | meaning |", "|---|---|", *rows]) if rows else ""


def _code(words: str) -> str:
    """The words of an option, as code in a table."""
    return "`{}`".format(words.replace("|", "\\|"))


def _examples(command: click.Command) -> str:
    lines = example_lines(command)
    return "\n".join(["```sh", *lines, "```"]) if lines else ""


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page())


if __name__ == "__main__":
    write()
