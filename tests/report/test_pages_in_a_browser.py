"""Pages in a real browser: readable on a phone and on a desk, accessible, silent, without network.

Needs Chromium and the packages playwright and axe-playwright-python; skipped where they are not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import report_pages as pages

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

pytestmark = pytest.mark.slow
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
KINDS = ("held", "replay", "comparison", "infeasible", "hostile", "large", "study")
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
AUDITED = [(1280, "light"), (390, "dark")]
#: Pictures and their text alternatives, and everything that reaches out of the window.
UNNAMED = """[...document.querySelectorAll('img, [role=img], svg')].filter(one =>
    !(one.getAttribute('alt') || one.getAttribute('aria-label') || one.getAttribute('aria-hidden')))
    .map(one => one.outerHTML.slice(0, 100))"""
OUTSIDE = """[...document.querySelectorAll('body *')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && !one.closest('pre, details:not([open]) > :not(summary)')
        && (box.right > innerWidth + 1 || box.left < -1);
    }).map(one => one.outerHTML.slice(0, 100))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; `apt-get install chromium`")
    # Chromium's sandbox cannot be had as root in a container.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield found
        found.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "held": pages.held_plan_page(),
        "replay": pages.replayed_page(),
        "comparison": pages.compared_page(),
        "infeasible": pages.infeasible_page(),
        "hostile": pages.hostile_page(),
        "large": pages.large_page(),
        "study": pages.study_result_page(folder),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_readable_accessible_silent_and_alone(
    browser: Any, written: dict[str, Path], kind: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(written[kind].as_uri())
    assert page.evaluate(UNNAMED) == []
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(media="screen", color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 390:
            assert page.evaluate(OUTSIDE) == []
        # Rules of one width hold at the other, but for colours, which follow the scheme.
        if (width, scheme) in AUDITED and kind != "large":
            violations = axe.Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
    # As wide as an A4 page between its margins.
    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
