"""Command lines of orch in the documents, checked against the real command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from orchestrator.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "deploy").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BEFORE = r"(?:sudo (?:-u \w+ )?|env |\w+=\S* |docker compose run --rm (?!orch-))*(?:\S*/)?"


def fenced(page: Path, language: str) -> list[str]:
    """The blocks of a page fenced as `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def inline(page: Path) -> list[str]:
    """What a page sets as code within its sentences and tables."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def shown(page: Path) -> list[str]:
    """Every command line of orch on a page, without what comes before the word `orch`."""
    lines = [
        line for block in fenced(page, "sh") for line in block.replace("\\\n", " ").splitlines()
    ]
    parts = [
        part.strip(" '\"")
        for line in [*lines, *inline(page)]
        for part in re.split(r"&&|\|\||[;|]", line)
    ]
    return [match[1] for part in parts if (match := re.match(rf"{BEFORE}(orch(?: .*)?)$", part))]


def parse(line: str) -> click.Command:
    """The command that a line calls; raises `click.UsageError` if orch has no such command or
    option.
    """
    command: click.Command = cli
    words = shlex.split(line, comments=True)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(click.Context(cli), words[0]) if words[0] != "COMMAND" else cli
        if inner is None:
            raise click.UsageError(f"no command '{words[0]}'")
        command, words = inner, words[1:]
        if command is cli:
            break
    command.make_parser(click.Context(command)).parse_args(list(words))
    return command


def commands() -> list[click.Command]:
    """Every command of orch, those within groups too."""
    found: list[click.Command] = [cli]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found += [command, *(command.commands.values() if isinstance(command, click.Group) else [])]
    return found


def options() -> set[str]:
    """Every option that some command of orch takes."""
    return {
        word
        for command in commands()
        for parameter in command.params
        for word in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}
