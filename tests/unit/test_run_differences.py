"""`orch status` tells runs apart by their settings, and measures them only when asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from orchestrator import cli
from orchestrator.monitoring import run_differences


def test_runs_are_told_apart_by_the_settings_in_which_they_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below each run; what all have in common is not shown."""
    fill_store(tmp_path, backbones=["scratch"], pixels=False, name="first")
    fill_store(tmp_path, backbones=["scratch", "vgg16"], seeds=2, pixels=False, name="second")

    code = cli.run(["--store", str(tmp_path), "status"])
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert lines[2] == "  backbones scratch, seeds 1"
    assert lines[4] == "  backbones scratch/vgg16, seeds 2"


def test_what_most_runs_share_is_told_once() -> None:
    """Each run tells only its own; where no value has the majority each tells it."""
    given = {name: {"seeds": 1, "periods": 3, "rate": place} for place, name in enumerate("abc")}
    given["c"] |= {"seeds": 2}

    own, usual = run_differences.apart(run_differences.differences(given))

    assert own == {"a": "rate 0", "b": "rate 1", "c": "seeds 2, rate 2"}
    assert usual == "seeds 1"
    assert run_differences.apart({}) == ({}, "")


def test_a_preset_stands_for_its_keys_that_no_run_has_set_otherwise() -> None:
    """Another learning rate than the preset's is told, and then that of each run."""
    given = {
        "a": {"preset": "probe", "finetune": "head", "schedule": "plateau", "learning_rate": 0.001},
        "b": {"preset": "modern", "finetune": "full", "schedule": "cosine", "learning_rate": 0.01},
    }
    own, usual = run_differences.apart(run_differences.differences(given))
    given["b"]["learning_rate"] = 0.0001
    alike, _ = run_differences.apart(run_differences.differences(given))

    assert own == {
        "a": "preset probe, learning_rate 0.001",
        "b": "preset modern, learning_rate 0.01",
    }
    assert usual == ""
    assert alike == {"a": "preset probe", "b": "preset modern"}


def test_a_single_run_and_settings_of_newer_records_tell_nothing() -> None:
    """There is nothing to tell it apart from."""
    found = run_differences.differences({"first": {"seeds": 1}, "second": {"seeds": 1, "new": 2}})

    assert found == {"first": {}, "second": {}}
    assert run_differences.differences({"first": {"seeds": 1}}) == {"first": {}}


def test_sizes_are_measured_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the run alone uses, and what it shares: together all files of the store but its own."""
    store, _ = fill_store(tmp_path, backbones=["scratch"], pixels=False, name="first")
    fill_store(tmp_path, backbones=["scratch", "vgg16"], pixels=False, name="second")

    codes = [
        cli.run(["--store", str(tmp_path), "status", *words, "--sizes", "--json"])
        for words in ([], ["second"])
    ]
    listed, one = _documents(capsys.readouterr().out)
    on_disk = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    own = sum(size["bytes"] for size in listed["sizes"].values())

    assert codes == [0, 0]
    assert one["size"] == listed["sizes"]["second"]
    assert listed["sizes"]["first"]["shared_bytes"] > 0
    assert 0 <= on_disk - own - one["size"]["shared_bytes"] < 2000


def _documents(text: str) -> list[dict[str, Any]]:
    """The JSON documents in a text, one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    return found
