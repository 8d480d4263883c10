"""The import path of orch and of every process that it starts: never the current folder.

A folder of machine-learning code often holds `models/`, `jobs/`, `queue.py` or `logging.py`. Python
puts the folder of a `-m` or `-c` command before everything else, and PYTHONPATH before its own
modules. Uses the standard library alone, because any other import might load a file of the same
name from that folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib.machinery import FrozenImporter, PathFinder
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("orchestrator", "workers", "models", "jobs")
LIBRARIES = ("celery", "kombu", "click", "psutil", "pyarrow", "pydantic", "redis", "rich", "yaml")
"""Packages that orch imports; a single file of such a name is another's."""
HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
INSTALLED = ("site-packages", "dist-packages")


def leave_current_folder() -> None:
    """Take the current folder off the import path, unless orch itself lies there."""
    if sys.flags.safe_path or not sys.path or sys.path[0] not in ("", os.getcwd()):
        return
    if os.path.realpath(sys.path[0] or ".") != HOME:
        del sys.path[0]


def protect(environment: MutableMapping[str, str]) -> None:
    """Make processes with this environment import orch from here, nothing from their folder.

    Fork servers, their children and pools inherit it.
    """
    environment["PYTHONSAFEPATH"] = "1"
    given = environment.get("PYTHONPATH", "")
    if os.path.basename(HOME) not in INSTALLED and given.split(os.pathsep)[0] != HOME:
        environment["PYTHONPATH"] = f"{HOME}{os.pathsep}{given}" if given else HOME


def problem() -> str | None:
    """The first file that hides a package of orch or of Python, in a sentence; None if none does.

    A library of ours hidden by a single file counts too.
    """
    for name in PACKAGES:
        if told := _another(name):
            return f"{told} {_remedy(_place(name))}"
    hidden = next(_hiding(), None)
    return None if hidden is None else f"{hidden} hides a module of that name. {_remedy(hidden)}"


@contextlib.contextmanager
def explaining() -> Iterator[None]:
    """Where a program's own package hides one of orch's, the failed import says which."""
    try:
        yield
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        told = _another(name) if name in PACKAGES else None
        if told is None:
            raise
        raise ImportError(
            f"{told} A program that imports orchestrator has no package of its own called "
            f"{', '.join(PACKAGES[1:])}. Rename it, or run the command 'orch' with --json."
        ) from error


def _another(package: str) -> str | None:
    """What hides a package of orch, in a sentence; None if nothing does."""
    place = _place(package)
    if os.path.realpath(place) == os.path.join(HOME, package):
        return None
    return f"Python finds another '{package}' first: {place or 'none'}, not orch's own in {HOME}."


def _place(package: str) -> str:
    """The folder that a top-level package is imported from; empty if there is none."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    folders = list(spec.submodule_search_locations or [])
    return os.path.abspath(folders[0] if folders else spec.origin or "")


def _hiding() -> Iterator[str]:
    """Files and folders that hide a module of Python's own, or a library of ours."""
    here = os.getcwd()
    for name in sys.stdlib_module_names & sys.modules.keys():
        place = getattr(sys.modules[name], "__file__", None) or ""
        if os.path.dirname(place) == here != HOME:
            yield place
    for entry in _before_the_standard_library():
        try:
            stems = {name.partition(".")[0] for name in os.listdir(entry)}
        except OSError:
            continue
        for name in sorted(stems & {*sys.stdlib_module_names, *LIBRARIES}):
            if name in sys.builtin_module_names or FrozenImporter.find_spec(name):
                continue
            spec = PathFinder.find_spec(name, [entry])
            if spec and spec.origin and not (name in LIBRARIES and _is_package(spec)):
                yield spec.origin


def _is_package(spec: object) -> bool:
    return getattr(spec, "submodule_search_locations", None) is not None


def _before_the_standard_library() -> list[str]:
    """Entries of the import path that come before Python's own modules."""
    own = os.path.realpath(os.path.dirname(os.__file__))
    entries = []
    for entry in (each or os.getcwd() for each in sys.path):
        if os.path.realpath(entry) == own or entry.endswith(".zip"):
            break
        entries.append(entry)
    return entries


def _remedy(place: str) -> str:
    folders = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    parents = {str(each) for each in Path(os.path.abspath(place)).parents} if place else set()
    culprit = next((each for each in folders if os.path.abspath(each) in parents), None)
    if culprit is not None:
        return f"Take {culprit} out of PYTHONPATH, or unset it: unset PYTHONPATH"
    return "Rename it, or start orch from another folder, with the command 'orch'."
