"""The command lines of the pages as lines that can be run on a small finished run.

Names that stand for the reader's own (a run, a folder, a worker) become those of the test. A line
that no test can run as it stands is in `NOT_RUN`, with the reason.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import click

from orchestrator.cli import COMMANDS, cli
from support.command_lines import PAGES, parse, shown

NOT_RUN = {
    r"(submit|verify|export \w+|resume)( --[\w-]+)?( \d+)?$": "a name in a sentence, not a line",
    r"(retry|cancel|evaluate)$": "a name in a sentence, not a line",
    r"worker\b": "runs until stopped; every test in tests/e2e starts some",
    r"flower\b": "serves until stopped; tests/e2e/test_flower_browser.py",
    r"up\b(?!.* --workers 0)": "starts workers that stay; tests/integration/test_local_workers.py",
    r"metrics .*--listen": "serves until stopped; tests/e2e/test_metrics_of_a_run.py",
    r"logs .*(-f|--follow)\b": "follows until stopped; tests/integration/test_logs_command.py",
    r"verify .*--replay": "trains a trial again; tests/integration/test_replay.py",
    r".*--setting\b": "needs a grid; tests/unit/test_export_model.py, tests/unit/test_grid.py",
    r"doctor\b": "loads torch for seconds; tests/integration/test_not_queued.py",
    r"export mlflow\b": "takes seconds; tests/integration/test_export.py",
    r"resume .*--all\b": "needs a race; tests/unit/test_race_told.py",
    r"rank( RUN| [\w-]+-rank-\w+| \w+\.yaml.*)?$": "needs its own; tests/unit/test_ranking.py",
    r"(models|submit) .*timm:": "asks torch for seconds; tests/unit/test_describe_network.py",
}
"""Patterns of lines, without the word `orch`, that are not run here: why, or where they are."""

MORE = ("orch up --workers 0", "orch status RUN --attempts --sizes", "orch workers")
"""Lines that show what no line of a page does."""

AFTER_ALL = ("prune", "rm")
"""Commands that remove what others need."""

SLOW = ("report", "export", "evaluate")
"""Commands that take seconds: lines of which each option is in another line are not run."""


@dataclass(frozen=True)
class Names:
    """What the names of the pages stand for; folders and files lie in the current folder."""

    run: str
    task: str
    worker: str
    store: str

    def of(self, word: str) -> str:
        """The word for one word of a page's line."""
        for pattern, real in self._patterns():
            if re.fullmatch(pattern, word):
                return real
        return word

    def _patterns(self) -> Iterator[tuple[str, str]]:
        yield r"RUN|\w+-\d+x\d+-[0-9a-f]{6}", self.run
        yield r"TASK|\w+\.[\w-]+-s\d-[0-9a-f]{8}\.\d+", self.task
        yield r"WORKER|HOST|gpu-[\w-]+", self.worker
        yield r"animals|[\w-]+-year/|OTHER|FOLDER|photographs/|/data|/srv/\S+/animals", "animals/"
        yield r"IMAGE\.\.\.|IMAGE|dog\.jpg", "cat.jpg"
        yield r"/srv/orch/store", self.store
        yield r"/reports/\w+|~/report", "reports/"
        yield r"WORD|vit\w*", "squeezenet1_0"
        yield r"NAME|entry:small", "scratch"
        yield r"probe\.yaml", "study.yaml"


def lines() -> list[str]:
    """Every command line of the pages and of the examples of the commands that names a command."""
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    every = [*(line for page in pages for line in shown(page)), *MORE]
    words = (shlex.split(re.sub(r"[\[\]]", "", line), comments=True) for line in every)
    return list(dict.fromkeys(shlex.join(each[1:]) for each in words if _is_command(each)))


def _is_command(words: list[str]) -> bool:
    """Whether it is a line to type, not a command's bare name in a sentence."""
    if len(words) < 2 or words[1] not in COMMANDS or "COMMAND" in words:
        return False
    command = parse(shlex.join(words))
    needs_more = any(parameter.required for parameter in command.params)
    depth = 3 if isinstance(cli.get_command(click.Context(cli), words[1]), click.Group) else 2
    return not isinstance(command, click.Group) and (len(words) > depth or not needs_more)


def reason(line: str) -> str | None:
    """Why a line is not run; None if it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, line)), None)


def to_run(names: Names) -> list[list[str]]:
    """The words of each line to run, in an order in which each finds what it needs."""
    real = [_real(shlex.split(line), names) for line in lines() if reason(line) is None]
    wanted = list({tuple(words): words for words in real}.values())
    return sorted(_without_repeats(wanted), key=_place)


def _place(words: list[str]) -> tuple[int, int]:
    late = AFTER_ALL.index(words[0]) + 1 if words[0] in AFTER_ALL else 0
    return late + ("--dry-run" not in words), list(COMMANDS).index(words[0])


def _real(words: list[str], names: Names) -> list[str]:
    """A line with the test's names; submissions become dry runs, from random weights."""
    given = [names.of(word) for word in words if word != "--json"]
    if words[0] == "submit":
        given = [word for word in given if word not in ("--wait", "--dry-run")]
        given = _with_value(given, "--preset", "quick")  # 'probe' needs pretrained weights
        return [*given, "--dry-run", *([] if "--weights" in given else ["--weights", "none"])]
    if words[0] == "rank":
        return ["rank", *["--backbone", "squeezenet", "--data", "animals/", "--image-size", "64"]]
    if words[0] == "bench":
        return [*given[: 2 - (len(words) < 2)], *["--backbone", "scratch", "--runtime", "torch"]]
    for option, value in (("--backbone", "scratch"), ("--seed", "0")):
        given = _with_value(given, option, value)
    return given


def _with_value(words: list[str], option: str, value: str) -> list[str]:
    """The words with this value of an option, where it is given."""
    pairs = zip(["", *words], words, strict=False)
    return [value if before == option else word for before, word in pairs]


def _without_repeats(lines: list[list[str]]) -> Iterator[list[str]]:
    """The lines without those of slow commands whose options are all in lines before."""
    tried: defaultdict[str, set[str]] = defaultdict(set)
    for words in sorted(lines, key=lambda each: -len(_shape(each)[1])):
        what, options = _shape(words)
        if words[0] not in SLOW or what not in tried or options - tried[what]:
            tried[what] |= options
            yield words


def _shape(words: list[str]) -> tuple[str, frozenset[str]]:
    """The command, for several runs or one, and the options that are given."""
    options = frozenset(word for word in words if word.startswith("--"))
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    what = names[:2] if words[0] == "export" else [words[0], *names[2:]]
    return " ".join(what), options
