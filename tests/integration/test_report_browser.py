"""The page in a real browser: no network requests, no errors, sortable tables, names as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.fakes import fill_store

from orchestrator.report import write
from orchestrator.report.rendering import wording

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three networks and a class that would like to run a script."""
    root = tmp_path_factory.mktemp("browser")
    store, run = fill_store(
        root / "store",
        backbones=["resnet34", "vgg16", "scratch"],
        periods=2,
        epochs_per_period=2,
        classes=(HOSTILE, "bear", "cat"),
        images_a_class=30,
        image_size=32,
    )
    return write.write_report(store, run, root / "out")


def opened(chromium: Any, place: Path, **how: Any) -> tuple[Any, list[str]]:
    """The page, with its console messages, requests and errors."""
    page, seen = chromium.new_context(**how).new_page(), []
    page.on("console", lambda message: seen.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            seen.append(f"request: {request.url}")
            if not request.url.startswith(("data:", place.as_uri()))
            else None
        ),
    )
    page.goto(place.as_uri())
    return page, seen


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_is_quiet_and_fits_the_window(
    chromium: Any, place: Path, width: int, scheme: str
) -> None:
    """No console message, no request except the file, no horizontal scrolling, on a desktop and on
    a phone.
    """
    page, seen = opened(
        chromium, place, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    page.wait_for_timeout(200)

    assert seen == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(
        "document.images.length > 10 && [...document.images].every(i => i.naturalWidth > 0)"
    )


def test_tables_sort_by_number_both_ways(chromium: Any, place: Path) -> None:
    """A click on training time sorts by longest first, then shortest; the numbers behind the text
    count.
    """
    page, _ = opened(chromium, place)
    head = page.locator("#results table").first.locator("th", has_text="Training time")
    orders = []
    for _ in range(2):
        head.click()
        orders.append(
            page.locator("#results table")
            .first.locator("tbody tr td:first-child")
            .all_inner_texts()
        )

    assert orders == [["VGG16", "ResNet34", "Scratch"], ["Scratch", "ResNet34", "VGG16"]]
    assert head.get_attribute("aria-sort") == "ascending"


def test_a_class_named_like_markup_is_text(chromium: Any, place: Path) -> None:
    """It is shown as text, not run: in tables, figures and cards."""
    page, seen = opened(chromium, place)

    assert HOSTILE in page.locator("#classes").inner_text()
    assert page.locator("#confusion svg text", has_text="<img").count() > 0
    assert page.locator("img[src=x]").count() == 0
    assert seen == []


def test_figures_grow_on_a_click_and_counts_turn_into_shares(chromium: Any, place: Path) -> None:
    """The dialog opens and closes; the switch needs no script."""
    page, seen = opened(chromium, place)
    page.locator("#curves .drawn").first.click()
    wide = page.locator("#stage svg").bounding_box()
    page.keyboard.press("Escape")
    page.wait_for_timeout(50)
    closed = page.locator("#stage").is_visible()
    page.locator("#as-shares").check()

    assert wide["width"] > 1000
    assert not closed
    assert page.locator("#confusion .shares").first.is_visible()
    assert not page.locator("#confusion .counts").first.is_visible()
    assert seen == []


def test_without_scripts_the_essentials_stand(chromium: Any, place: Path) -> None:
    """Headline, tables, figures, collapsed tables and the switch."""
    page, _ = opened(chromium, place, java_script_enabled=False)
    page.locator("#as-shares").check()
    page.locator("#classes summary").first.click()

    assert "test images" in page.locator("h1").inner_text()
    assert page.locator("#results td").first.is_visible()
    assert page.locator("#confusion .shares").first.is_visible()
    assert page.locator("#classes details table").first.is_visible()


@pytest.mark.long
def test_the_page_of_thirty_networks_does_not_grow_without_end(
    chromium: Any, tmp_path: Path
) -> None:
    """Figures and tables of pairs show the ten best networks; report.json has all 435 pairs."""
    others = [f"timm:some_network_of_tiny_patch16_{number:02}" for number in range(28)]
    store, run = fill_store(
        tmp_path / "store",
        backbones=["resnet34", "vgg16", *others],
        periods=1,
        epochs_per_period=2,
        classes=("ape", "bear", "cat"),
        images_a_class=40,
        pixels=False,
    )
    page, seen = opened(chromium, write.write_report(store, run, tmp_path / "out"))
    closed = page.evaluate("document.documentElement.scrollHeight")
    curves = page.locator("#curves svg").first.bounding_box()
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
    pairs = [
        row.split("\t")[:2] for row in page.locator("#certainty table tbody tr").all_inner_texts()
    ]
    in_all_of_the_first = set.intersection(*map(set, pairs[:29]))
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    best = max(facts["standings"], key=lambda each: each["accuracy"]["mean"])

    assert seen == []
    assert closed < 12_000
    assert page.evaluate("document.documentElement.scrollHeight") < 35_000
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    assert 300 < curves["height"] < 600
    assert len(pairs) == 45
    assert in_all_of_the_first == {wording.title(best["backbone"])}
    assert page.locator("#confusion svg").count() == 10
    assert len(facts["duels"]) == 435
