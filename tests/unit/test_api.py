"""The Python API on a store whose runs are done: runs, results, reports, errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import coloured_animals
from support.command_lines import ROOT, fenced
from support.fakes import fill_store
from support.half_done import half_done_run

import orchestrator
from jobs.errors import BadFolder, BadSpec, OrchError, RequestError, StoreUnusable
from jobs.store.runs import Run
from jobs.store.store import Store


@pytest.fixture
def study(tmp_path: Path) -> tuple[Store, Run]:
    """Two finished runs, of which the second trains the same network for longer."""
    store, first = fill_store(
        tmp_path / "store", backbones=["scratch"], periods=1, pixels=False, name="first"
    )
    fill_store(tmp_path / "store", backbones=["scratch"], periods=3, pixels=False, name="second")
    return store, first


def test_a_store_lists_its_runs_in_order_of_submission(study: tuple[Store, Run]) -> None:
    """Each with its name, its specification and its state."""
    store, _ = study
    found = orchestrator.open_store(store.root)

    assert [run.name for run in found.runs()] == ["first", "second"]
    assert found.run().spec.periods == 3
    assert found.run("first").status().state == "done"
    assert found.path == store.root


def test_results_are_those_of_the_run_without_epochs_of_others(study: tuple[Store, Run]) -> None:
    """An Arrow table with documented columns."""
    runs = orchestrator.open_store(study[0].root).runs()
    epochs = [run.results("epochs")["epoch"].to_pylist() for run in runs]

    assert [sorted(each) for each in epochs] == [[1, 2], [1, 2, 3, 4, 5, 6]]
    assert set(runs[0].results("attempts")["task"].to_pylist()) == set(runs[0].record.tasks)
    with pytest.raises(RequestError, match="Did you mean 'epochs'"):
        runs[0].results("epoch")


def test_all_wrong_images_are_a_table(tmp_path: Path) -> None:
    """Of every network, seed, split and period, counted against the evaluations."""
    few = {"classes": ("ape", "bear", "cat"), "images_a_class": 60, "periods": 1, "pixels": False}
    store, _ = fill_store(tmp_path, backbones=["scratch"], seeds=2, recipe={"splits": 2}, **few)
    run = orchestrator.open_store(store.root).run()

    wrong, tests = run.results("mistakes"), run.results("evaluations")
    lost = sum(row["total"] - row["correct"] for row in tests.to_pylist())
    told = {"image", "label", "predicted", "confidence", "backbone", "seed", "split_seed", "period"}

    assert wrong.num_rows == lost
    assert told <= set(wrong.column_names)
    for column in ("backbone", "seed", "split_seed", "period"):
        assert set(wrong[column].to_pylist()) == set(tests[column].to_pylist())


def test_a_report_is_written_where_it_is_asked_for(
    study: tuple[Store, Run], tmp_path: Path
) -> None:
    """As by `orch report`."""
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    run = orchestrator.open_store(study[0].root).run("first")

    page = run.report(tmp_path / "out", formats="md")

    assert page == tmp_path / "out" / "report.md"
    assert "Scratch" in page.read_text()


def test_the_gate_of_the_document_ends_with_1_for_the_worse_run(
    study: tuple[Store, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second run trains for longer, which helps. A run that is not there is told in a line."""
    pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")
    _, gate = fenced(ROOT / "docs" / "api.md", "python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_STORE", str(study[0].root))
    codes = []
    for names in (("first", "second"), ("second", "first"), ("first", "secnd")):
        monkeypatch.setattr(sys, "argv", ["gate.py", *names])
        with pytest.raises(SystemExit) as end:
            exec(gate, {})
        codes.append(end.value.code)

    (line,) = capsys.readouterr().err.splitlines()

    assert codes == [0, 1, 2]
    assert line.startswith("error: ")
    assert "Did you mean 'second'" in line


def test_waiting_ends_with_the_run_or_with_the_time(tmp_path: Path) -> None:
    """A run that was cancelled is an error."""
    store, _ = half_done_run(tmp_path / "open")
    handle = orchestrator.open_store(store.root).run()

    with pytest.raises(TimeoutError, match="is waiting after 0"):
        handle.wait(timeout_s=0.0)
    handle.cancel()
    with pytest.raises(OrchError, match="is cancelled"):
        handle.wait()


def test_a_bad_request_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line that the command prints."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(BadSpec, match="Did you mean 'periods'"):
        orchestrator.submit(data="digits", backbones=["scratch"], perods=2, store="s")
    with pytest.raises(StoreUnusable, match="there is no store"):
        orchestrator.open_store("nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("begin", [orchestrator.submit, orchestrator.rank])
def test_broken_files_are_refused_as_the_command_refuses_them(
    tmp_path: Path, begin: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written, with the parameter that leaves them out."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.save(torchvision.models.squeezenet1_0().state_dict(), tmp_path / "squeezenet1_0.pth")
    monkeypatch.setenv("ORCH_WEIGHTS_DIR", str(tmp_path))
    images = coloured_animals.write(tmp_path)
    (images / "bear" / "cut.png").write_bytes((images / "bear" / "000.png").read_bytes()[:60])
    place = tmp_path / "store"

    with pytest.raises(BadFolder, match=r"cut\.png.*skip_broken"):
        begin(data=images, backbones=["squeezenet"], store=place)
    assert not place.exists()


def test_importing_it_imports_nothing_heavy() -> None:
    """Names are known without loading what they need; an unknown one is an `AttributeError`."""
    program = (
        "import sys, orchestrator\n"
        "assert {'submit', 'open_store'} <= set(dir(orchestrator))\n"
        "assert not hasattr(orchestrator, 'sumbit')\n"
        "heavy = {'torch', 'pyarrow', 'pydantic', 'click', 'jobs'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "orchestrator.open_store\n"
        "heavy = {'torch', 'pyarrow', 'pydantic', 'celery'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert ended.stderr == ""
