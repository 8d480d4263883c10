"""The page at a glance, in a real browser: nine screens, accuracy first, the rest folded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from orchestrator.report import write
from orchestrator.report.sections import mistakes

pytestmark = pytest.mark.browser
SCREENS, SCREEN_PX = 9, 720


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three networks with three seeds and 22 classes."""
    root = tmp_path_factory.mktemp("page")
    store, run = fill_store(
        root / "store",
        backbones=["resnet34", "vgg16", "scratch"],
        periods=2,
        epochs_per_period=2,
        seeds=3,
        image_size=32,
    )
    return write.write_report(store, run, root / "out", formats=["html"])


def opened(chromium: Any, place: Path, width: int) -> Any:
    """The page in a window of this width."""
    page = chromium.new_context(viewport={"width": width, "height": SCREEN_PX}).new_page()
    page.goto(place.as_uri())
    return page


def test_three_networks_take_at_most_nine_screens(chromium: Any, place: Path) -> None:
    """Before anything is unfolded."""
    page = opened(chromium, place, 1280)

    assert page.locator("details[open]").count() == 0
    assert page.evaluate("document.documentElement.scrollHeight") <= SCREENS * SCREEN_PX


def test_so_do_they_with_as_many_classes_as_are_listed_openly(
    chromium: Any, tmp_path: Path
) -> None:
    """One seed has more cautions; the table of classes and all three matrices are open."""
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34", "vgg16", "scratch"],
        classes=tuple(f"class {number}" for number in range(mistakes.MAX_CLASSES_OPEN)),
        images_a_class=20,
        pixels=False,
    )
    page = opened(
        chromium, write.write_report(store, run, tmp_path / "out", formats=["html"]), 1280
    )

    assert page.locator("#classes table").first.is_visible()
    assert page.evaluate("document.documentElement.scrollHeight") <= SCREENS * SCREEN_PX


def test_accuracies_are_on_a_phones_screen(chromium: Any, place: Path) -> None:
    """The second column, without scrolling sideways."""
    page = opened(chromium, place, 390)
    cell = page.locator("#results table").first.locator("tbody tr").first.locator("td").nth(1)
    box = cell.bounding_box()

    assert "%" in cell.inner_text()
    assert box["x"] + box["width"] <= 390


def test_the_last_period_is_open_and_the_first_is_folded(chromium: Any, place: Path) -> None:
    """Tables, curves and matrices; a click opens them."""
    page = opened(chromium, place, 1280)
    captions = page.locator("#results caption")
    first = page.locator("#confusion details", has_text="First period").first
    before = first.locator("svg").first.is_visible()
    first.locator("summary").click()

    assert captions.nth(0).inner_text() == "Last period, epochs 3–4"
    assert captions.nth(0).is_visible()
    assert not captions.nth(1).is_visible()
    assert not before
    assert first.locator("svg").first.is_visible()


def test_every_table_with_a_head_has_a_caption(chromium: Any, place: Path) -> None:
    """Folded ones too; those of cards have no head."""
    page = opened(chromium, place, 1280)
    tables = page.locator("table:has(thead)")

    assert tables.count() > 8
    assert page.locator("table:has(thead):not(:has(caption))").count() == 0


def test_folded_parts_are_printed(chromium: Any, place: Path) -> None:
    """All folds open for the printer, and close again."""
    page = opened(chromium, place, 1280)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened_for_print = page.locator("details:not([open])").count()
    page.evaluate("dispatchEvent(new Event('afterprint'))")

    assert opened_for_print == 0
    assert page.locator("details[open]").count() == 0
