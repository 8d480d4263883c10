"""The documents compared with the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from support import links
from support.command_lines import PAGES, ROOT, fenced, inline, options, parse, shown

from jobs.catalog import backbones
from jobs.spec import model, reference_page
from jobs.spec.keys import KEYS
from jobs.store import tables
from jobs.store.store import Store
from orchestrator.commands import reference_page as of_commands

SPEC_PAGE = ROOT / "docs" / "spec.md"


def names_of(pages: list[Path]) -> list[str]:
    """Pages as test names."""
    return [str(page.relative_to(ROOT)) for page in pages]


def cells(text: str) -> list[list[str]]:
    """The rows of Markdown tables, heads and rulers left out."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def committed() -> dict[str, str]:
    """The text of every file that git keeps."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this copy is not a git checkout")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return {
        str(path.relative_to(ROOT)): path.read_bytes().decode(errors="replace")
        for path in paths
        if path.is_file()
    }


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_every_command_line_on_a_page_is_one_that_orch_takes(page: Path) -> None:
    """Commands, subcommands and options parse; values are placeholders and are not looked at."""
    wrong = {}
    for line in shown(page):
        try:
            parse(line)
        except (click.UsageError, ValueError) as error:
            wrong[line] = str(error)

    assert wrong == {}


def test_the_readme_shows_the_commands_of_a_newcomer() -> None:
    """The check above covers the important lines: they are found on the page."""
    lines = " ".join(shown(ROOT / "README.md"))

    assert "orch submit --all-backbones --periods 3 --data animals/ --wait" in lines
    assert "orch report" in lines
    assert "orch worker --device cuda:0" in lines


def test_a_command_line_that_orch_does_not_take_is_noticed() -> None:
    """Neither an unknown command nor an unknown option passes."""
    for line in ("orch sumbit", "orch submit --perids 3", "orch data inspekt x"):
        with pytest.raises(click.UsageError):
            parse(line)


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_every_option_named_in_a_sentence_exists(page: Path) -> None:
    """An option in code marks, such as `--seeds 5`, belongs to some command."""
    codes = [code for code in inline(page) if code.startswith("--")]
    named = {re.split("[ =,]", code)[0] for code in codes}

    assert named - options() == set()


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_every_spec_on_a_page_builds(page: Path, tmp_path: Path) -> None:
    """YAML blocks are specs that `orch submit` takes."""
    for name in ("nets.py", "mine.pth"):
        (tmp_path / name).touch()
    for number, block in enumerate(fenced(page, "yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        built = model.build(model.read_file(path))

        assert built.data == str(tmp_path / "animals")


def test_every_key_of_a_spec_is_documented_with_its_default() -> None:
    """The table of docs/spec.md holds every key, and the defaults are the code's."""
    rows = {row[0].strip("`"): row[1] for row in cells(SPEC_PAGE.read_text())}
    defaults = {
        key: yaml.safe_load(code.strip("`")) for key, code in rows.items() if code.startswith("`")
    }
    real = {
        key: field.default
        for key, field in model.Spec.model_fields.items()
        if not field.is_required() and key in KEYS
    }

    assert set(rows) == set(KEYS)
    assert {key: tuple(v) if isinstance(v, list) else v for key, v in defaults.items()} == {
        key: value for key, value in real.items() if key != "name"
    }


def test_the_table_of_keys_is_the_one_that_make_catalog_writes() -> None:
    """Texts of keys are edited in jobs/spec/keys/ only."""
    page = SPEC_PAGE.read_text()

    assert reference_page.with_table(page, reference_page.table()) == page, "run 'make reference'"


def test_the_tables_of_metrics_and_sections_are_those_that_make_catalog_writes() -> None:
    """Their texts are edited in the registries only."""
    pytest.importorskip("markupsafe", reason="the extra 'report' is not installed")
    from orchestrator.report import reference_tables as of_report

    page = of_report.PAGE.read_text()

    assert of_report.with_tables(page) == page, "run 'make reference'"


def test_the_page_of_commands_is_the_one_that_make_reference_writes() -> None:
    """Help texts, options and examples are edited in orchestrator/commands only."""
    assert of_commands.PAGE.read_text() == of_commands.page(), "run 'make reference'"


def test_the_long_spec_holds_the_defaults() -> None:
    """The first block of docs/spec.md says nothing but defaults, its first two lines left out."""
    block = yaml.safe_load(fenced(SPEC_PAGE, "yaml")[0])
    given = model.build(block)
    plain = model.build({"data": block["data"], "backbones": "all"})

    assert set(block) == KEYS.keys() - {"name"}
    assert given == plain


def test_every_column_of_every_table_is_documented() -> None:
    """Each section of docs/results.md lists exactly the columns of its table."""
    sections = re.split(r"^## ", (ROOT / "docs" / "results.md").read_text(), flags=re.MULTILINE)
    documented = {
        match[1]: {name for row in cells(section) for name in re.findall(r"`(\w+)`", row[0])}
        for section in sections
        if (match := re.match(r"`(\w+)`", section))
    }

    assert documented == {
        table: {"trial", *schema.names} for table, schema in tables.SCHEMAS.items()
    }


def test_every_column_of_the_manifest_is_documented() -> None:
    """The manifest's columns are named where the prepared data set is described."""
    section = (ROOT / "docs" / "results.md").read_text().split("## The prepared data set")[1]

    assert [name for name in tables.MANIFEST.names if f"`{name}`" not in section] == []


def test_variables_of_the_environment_are_those_that_orch_reads() -> None:
    """The table is complete, and no page names a variable that nothing reads."""
    readers = [
        ROOT / place
        for place in ("jobs/settings.py", "models/runtime/untried.py", "workers/logs.py")
    ]
    read = {name for reader in readers for name in re.findall(r"ORCH_[A-Z_]+", reader.read_text())}
    table = {
        name.strip("`")
        for row in cells((ROOT / "docs" / "environment.md").read_text())
        for name in row[0].split(", ")
        if name.startswith("`ORCH_")
    }
    named = {name for page in PAGES for name in re.findall(r"\bORCH_[A-Z_]+", page.read_text())}

    assert table == read
    assert named - read == {"ORCH_IDLE_EXIT"}


def test_the_readme_says_what_names_weights_files_and_the_exit_codes() -> None:
    """The files are told by orch itself, from its catalog: a new entry needs no word there."""
    text = " ".join((ROOT / "README.md").read_text().split())
    codes = (ROOT / "docs" / "environment.md").read_text()
    files = {entry.weights_file for entry in backbones.CATALOG.values() if entry.weights_file}
    shown = set(re.findall(r"`([a-z0-9_]+\.pth)`", text))

    assert set() < shown <= files
    assert "as `orch doctor` names them" in text
    assert "Exit codes: 0 success, 1 failure, 2 invalid request" in codes


def test_the_readme_opens_with_what_it_is_a_command_its_output_and_a_picture() -> None:
    """The order of the first lines is what a newcomer needs."""
    text = (ROOT / "README.md").read_text()
    shown = ("Which network", "orch submit", "95% interval", "docs/report.png")
    marks = (*shown, "pip install", "make demo", "make test")
    places = [text.index(mark) for mark in marks]

    assert places == sorted(places)
    assert places[3] < 1700


OTHER_PAGES = [ROOT / name for name in ("CODE_OF_CONDUCT.md", "benchmarks/README.md")]


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=names_of([*PAGES, *OTHER_PAGES]))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    """Every relative link and picture is a file that exists, with the heading that is named."""
    assert links.broken(page) == []


def test_a_link_to_a_missing_file_or_heading_is_noticed(tmp_path: Path) -> None:
    """Headings in fenced blocks are none; two of one name are numbered; addresses are let be."""
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n## What `it` costs, in s\n## One\n```sh\n# Two\n```\n"
        "[a](#one-1) [b](page.md#what-it-costs-in-s) [c](https://example.org/x) [d](page.md)\n"
        "[e](#two) [f](other.md) [g](page.md#costs) ![h](x.png)\n"
    )

    assert links.broken(page) == ["#two", "other.md", "page.md#costs", "x.png"]


@pytest.mark.parametrize("page", PAGES, ids=names_of(PAGES))
def test_targets_of_make_named_on_a_page_exist(page: Path) -> None:
    """`make demo` and its like are in the Makefile."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = [*inline(page), *(line for block in fenced(page, "sh") for line in block.splitlines())]
    named = {match[1] for line in code if (match := re.match(r"make ([a-z-]+)", line))}

    assert named - known == set()


def test_the_lines_that_read_results_work(tmp_path: Path) -> None:
    """The lines that need only orch's own packages run on a store that orch wrote."""
    store = Store(tmp_path / "orch-store").open(create=True)
    who = {"backbone": "scratch", "seed": 0, "period": 1, "epoch": 1}
    for table, extra in (("epochs", {"train_loss": 0.5}), ("evaluations", {"accuracy": 0.25})):
        place = store.root / tables.table_folder(table, "scratch-s0-00000000") / "0001.parquet"
        tables.write_table(place, tables.build_table(table, [who | extra]))
    pages = [ROOT / "README.md", ROOT / "docs" / "results.md"]
    lines = [line for page in pages for block in fenced(page, "sh") for line in block.splitlines()]
    codes = [
        match[1]
        for line in lines
        if (match := re.fullmatch(r'python -c "(import pyarrow.*)"', line))
    ]
    ran = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        for code in codes
    ]

    assert len(ran) == 2
    assert [process.stderr for process in ran if process.returncode] == []
    assert all("scratch" in process.stdout for process in ran)


def test_nothing_committed_names_a_place_of_the_machine_it_was_written_on() -> None:
    """No file holds a path of a developer's machine, nor the address of a package index."""
    private = re.compile(r"(?<![\w.])/(?:work|root|Users)/\w|/tmp/de[v]\b|--(?:extra-)?index-url")
    found = {
        name: match[0] for name, text in committed().items() if (match := private.search(text))
    }

    assert found == {}


def test_git_ignores_what_installing_and_running_leave_behind() -> None:
    """Neither the environment nor the demo nor an installation makes a checkout look changed."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this copy is not a git checkout")
    left = [
        ".venv/installed",
        "orch.egg-info/PKG-INFO",
        "build/lib/x.py",
        "demo-store/store.json",
        "demo-report/report.html",
        "orch-store/store.json",
        "site/index.html",
        "deploy/compose/.env",
        "deploy/compose/secrets/worker.password",
        ".pytest_cache/x",
    ]
    asked = subprocess.run(["git", "check-ignore", *left], cwd=ROOT, capture_output=True, text=True)

    assert asked.stdout.split() == left
