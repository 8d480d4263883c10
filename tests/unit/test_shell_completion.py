"""What a shell offers: runs of the store, networks of timm, and words with a colon in bash."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from orchestrator import cli
from orchestrator.terminal import completion
from orchestrator.terminal.bash_completion import WithColons

WITH_RUN = ("status", "watch", "resume", "retry", "cancel", "verify", "rm", "bench", "evaluate",
            "report", "prune", "rank")  # fmt: skip


def offered(words: list[str], begun: str) -> list[str]:
    """What a shell offers after these words."""
    shell = ShellComplete(cli.cli, {}, "orch", "_ORCH_COMPLETE")
    return [item.value for item in shell.get_completions(words, begun)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of three runs, one without a record; the store is that of the environment."""
    for name in ("digits-a", "digits-b", "other"):
        (tmp_path / "store" / "runs" / name).mkdir(parents=True)
    monkeypatch.setenv("ORCH_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.mark.parametrize("command", WITH_RUN)
def test_run_names_are_completed(command: str, runs: Path) -> None:
    """For each command that takes one."""
    assert offered([command], "digits") == ["digits-a", "digits-b"]


def test_runs_that_are_given_already_are_not_offered_again(runs: Path) -> None:
    """Where a command takes several; a store named in the line counts, wherever it stands."""
    assert offered(["report", "digits-a"], "digits") == ["digits-b"]
    assert offered(["predict", "--run"], "o") == ["other"]
    assert offered(["status", "--store", str(runs / "nowhere")], "") == []
    assert offered(["export", "model"], "o") == ["other"]


@pytest.mark.parametrize("store", ["", "file", "file/below", "missing", "a\0b"], ids=repr)
def test_a_store_that_cannot_be_read_offers_nothing(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is no error while somebody types."""
    (tmp_path / "file").touch()
    if "\0" not in store:
        monkeypatch.setenv("ORCH_STORE", str(tmp_path / store) if store else "")

    assert offered(["status"], "digits") == []
    assert offered(["status", "--store", store], "digits") == []


def test_networks_of_timm_are_those_that_timm_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read without importing it, and only where its prefix is begun."""
    timm = pytest.importorskip("timm", reason="timm is not installed (extra 'timm')")

    known = completion.backbones("timm:")
    named = {name.removeprefix("timm:") for name in known if name.startswith("timm:")}

    assert named == set(timm.list_models())
    assert not any("timm" in name for name in completion.backbones(""))
    assert "timm:vit_tiny_patch16_224" in offered(["submit", "--backbone"], "timm:vit_ti")
    assert offered(["submit", "--backbone"], "scratch,timm:resnet50d") == ["scratch,timm:resnet50d"]


def test_without_timm_nothing_of_it_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it an error."""
    monkeypatch.setitem(sys.modules, "timm", None)

    assert offered(["submit", "--backbone"], "timm:v") == []


@pytest.mark.parametrize(
    ("words", "place", "before", "begun", "item", "inserted"),
    [
        ("orch|submit|--backbone|timm|:|vit", 5, ["submit", "--backbone"], "timm:vit",
         "timm:vit_tiny", "vit_tiny"),
        ("orch|submit|--backbone|timm|:", 4, ["submit", "--backbone"], "timm:",
         "timm:vit_tiny", "vit_tiny"),
        ("orch|submit|--backbone|tim", 3, ["submit", "--backbone"], "tim", "timm:a", "timm:a"),
        ("orch|submit|--backbone|timm|:|vit|--se", 6,
         ["submit", "--backbone", "timm:vit"], "--se", "--seeds", "--seeds"),
        ("orch|status", 2, ["status"], "", "digits-a", "digits-a"),
    ],
)  # fmt: skip
def test_bash_completes_words_with_a_colon(
    words: str,
    place: int,
    before: list[str],
    begun: str,
    item: str,
    inserted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bash gives the colon as a word, and replaces what comes after it."""
    monkeypatch.setenv("COMP_WORDS", words.replace("|", "\n"))
    monkeypatch.setenv("COMP_CWORD", str(place))
    shell = WithColons(cli.cli, {}, "orch", "_ORCH_COMPLETE")

    assert shell.get_completion_args() == (before, begun)
    assert shell.format_completion(CompletionItem(item)) == f"plain,{inserted}"
