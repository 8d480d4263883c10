"""The picture of the packages is drawn from the imports as they are."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from support.command_lines import ROOT


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """The script that draws the picture."""
    pytest.importorskip("grimp", reason="the picture is drawn with grimp")
    spec = importlib.util.spec_from_file_location("draw_packages", ROOT / "docs/draw_packages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_in_the_documents_is_the_one_of_the_imports(drawing: ModuleType) -> None:
    """`make picture` draws it again after an import between packages was added or removed."""
    kept = (ROOT / "docs/packages.svg").read_text(encoding="utf-8")

    assert drawing.draw() == kept


def test_packages_import_each_other_in_no_circle(drawing: ModuleType) -> None:
    """Inside each of the four, too: no box of the picture holds two parts."""
    circles = {
        package: [sorted(group) for group in drawing.import_cycles(edges) if len(group) > 1]
        for package, edges in drawing.read_imports().items()
    }

    assert circles == {package: [] for package in drawing.PACKAGES}


def test_an_arrow_that_follows_from_others_is_left_out(drawing: ModuleType) -> None:
    """The picture stays readable: a box points only to what nothing between imports."""
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}

    assert drawing.reduced(edges) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert drawing.floors(edges) == [["a"], ["b"], ["c"]]
