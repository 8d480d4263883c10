"""Only `jobs.store.paths` builds paths below a store."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from jobs.store.paths import StorePaths
from jobs.task import Task

ROOT = Path(__file__).parents[2]
OWNERS = {"jobs/store/paths.py", "jobs/store/tables.py"}
"""`tables` names the folders of tables, relative to the store."""
NAMES = {
    "store.json",
    "ledger",
    "leases",
    "asked",
    "attempts",
    "progress",
    "marks",
    "checkpoints",
    "runs",
    "trials",
    "reports",
    "exports",
    "pace",
    "drains",
    "stack",
    "trial.json",
    "numerics.json",
    "microbatches.json",
    "run.json",
    "cancelled.json",
    "source.json",
    "inventory.parquet",
}
"""Names of files and folders of a store; `workers`, `data` and `results` are words of more."""
ELSEWHERE = {
    ("models/networks/weights.py", "checkpoints"): "torch's own cache of weights",
    ("jobs/maintenance/prune.py", "checkpoints"): "compares a name, builds no path",
}


def joined_names(source: str) -> set[str]:
    """String constants that are joined to a path with `/` or `joinpath`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "joinpath":
            parts = node.args
        names |= {
            p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)
        }
    return names


@pytest.mark.parametrize("package", ["jobs", "models", "workers", "orchestrator"])
def test_no_other_module_builds_a_path_below_the_store(package: str) -> None:
    """A name of the store's layout is joined to a path in one module alone."""
    strays = {
        (place, name)
        for path in (ROOT / package).rglob("*.py")
        if (place := path.relative_to(ROOT).as_posix()) not in OWNERS
        for name in joined_names(path.read_text()) & NAMES
    }

    assert strays - ELSEWHERE.keys() == set()


def test_a_joined_name_is_noticed() -> None:
    """Both ways of joining a path are seen, a mere word is not."""
    source = 'a = root / "ledger" / "done"\nb = root.joinpath("runs", name)\nc = "marks"'

    assert joined_names(source) == {"ledger", "done", "runs"}


def test_every_listed_name_is_one_of_the_stores() -> None:
    """A name that is no longer built anywhere does not stay on the list."""
    source = (ROOT / "jobs/store/paths.py").read_text()

    assert {name for name in NAMES if f'"{name}"' not in source} == set()


def test_paths_are_those_of_the_first_version(tmp_path: Path) -> None:
    """Stores that exist stay readable."""
    paths, task = StorePaths(tmp_path), Task("train", "resnet34-s0-1f3a9c2e", 10)

    assert [
        path.relative_to(tmp_path).as_posix()
        for path in (
            paths.marker_path,
            paths.done_path(task),
            paths.failed_path(task),
            paths.progress_path(task),
            paths.attempts_folder(task),
            paths.target_epochs_folder(task.subject),
            paths.checkpoints_folder(task.subject),
            paths.numerics_path(task.subject),
            paths.run_path("run"),
            paths.images_path("digits"),
            paths.heartbeat_path("alpha-1"),
        )
    ] == [
        "store.json",
        "ledger/done/train.resnet34-s0-1f3a9c2e.0010.json",
        "ledger/failed/train.resnet34-s0-1f3a9c2e.0010.json",
        "progress/train.resnet34-s0-1f3a9c2e.0010.json",
        "attempts/train.resnet34-s0-1f3a9c2e.0010",
        "trials/resnet34-s0-1f3a9c2e/marks",
        "trials/resnet34-s0-1f3a9c2e/checkpoints",
        "trials/resnet34-s0-1f3a9c2e/numerics.json",
        "runs/run/run.json",
        "data/digits/images.npy",
        "workers/alpha-1.json",
    ]
