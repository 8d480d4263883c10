"""What people who join are told and given, compared with the project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.command_lines import ROOT, inline

GUIDES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "extending.md", ROOT / "docs" / "README.md"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def entries(path: Path) -> list[str]:
    """The command lines of the hooks that run before a commit."""
    (group,) = yaml.safe_load(path.read_text())["repos"]
    return [hook["entry"] for hook in group["hooks"] if group["repo"] == "local"]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_files_and_folders_that_a_guide_names_exist(page: Path) -> None:
    """Whoever follows the guide finds each place and each test."""
    named = {
        code
        for code in inline(page)
        if re.fullmatch(
            r"(benchmarks|deploy|docs|jobs|models|orchestrator|tests|workers)/[\w./-]+", code
        )
    }

    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_guide_names_a_place_and_a_test_for_each_thing_to_add() -> None:
    """The rows of its table: what, where, and the tests that hold it."""
    text = GUIDES[0].read_text().split("| to add | edit | held by |")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines()[2:]]
    kinds = ("backbone", "optimiser", "data source", "metric", "section", "command")

    assert len(rows) == len(kinds)
    assert all(kind in row[0] for kind, row in zip(kinds, rows, strict=True))
    assert all("tests/" in row[2] for row in rows)


def test_hooks_before_a_commit_are_the_checks_of_make() -> None:
    """The same tools of .venv, so of the same versions, with the options of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    hooks = entries(ROOT / ".pre-commit-config.yaml")

    assert [hook.split()[0] for hook in hooks] == [".venv/bin/ruff"] * 2 + [".venv/bin/mypy"]
    assert f"$(BIN)/{hooks[2].removeprefix('.venv/bin/')}\n" in makefile
    assert "$(BIN)/ruff check .\n" in makefile


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-issue-forms", [path for path in FORMS if path.stem != "config"]),
        ("github-issue-config", [path for path in FORMS if path.stem == "config"]),
        ("github-workflows", [WORKFLOW]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_files_for_github_follow_its_schemas(schema: str, paths: list[Path]) -> None:
    """Otherwise GitHub would pass them over without a word."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    words = ["-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60)

    assert paths
    assert ran.returncode == 0, ran.stdout


def test_the_workflow_runs_the_script_of_ci_on_each_tested_python() -> None:
    """It checks nothing that .ci/run does not, and makes .venv with the Python that is meant."""
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    classifiers = (ROOT / "pyproject.toml").read_text()

    assert job["steps"][-1]["run"] == ".ci/run"
    assert job["env"]["PYTHON"] == "python${{ matrix.python }}"
    assert job["strategy"]["matrix"]["python"] == re.findall(r"Python :: (3\.\d+)\"", classifiers)


def test_every_document_is_in_the_index_which_the_readme_names() -> None:
    """A new page is put where readers look for it."""
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = set(re.findall(r"\]\(([\w-]+\.md)", (ROOT / "docs" / "README.md").read_text()))

    assert pages - index == set()
    assert "](docs/README.md)" in (ROOT / "README.md").read_text()


def test_the_changelog_sorts_what_is_not_released_yet() -> None:
    """Under the headings of Keep a Changelog, in their order."""
    text = (ROOT / "CHANGELOG.md").read_text()
    section = text.split("\n## Unreleased\n")[1].split("\n## ")[0]
    headings = re.findall(r"^### (.+)$", section, re.MULTILINE)

    assert headings
    assert headings == [name for name in KINDS if name in headings]
