"""Chromium for the tests of pictures, and a folder for their screenshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

CHROMIUM = Path(os.environ.get("ASYNCFC_CHROMIUM", "/usr/bin/chromium"))
#: The browser itself must fetch nothing, so that all requests are the page's.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Milliseconds within which a page comes to what is expected of it, as for anything else that is waited for there: the five
#: seconds that are meant for it are not enough on a busy machine.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver, stopped at the end of the module: while it lives, an event loop runs in this thread."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Return one headless Chromium for the module; each test opens its own context in it."""
    if not CHROMIUM.exists():
        message = f"no Chromium at {CHROMIUM}; install it or set ASYNCFC_CHROMIUM to its path"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Return the directory for screenshots, below the repository's root."""
    directory = Path(__file__).resolve().parents[2] / "test-artifacts"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that fails the test if it logs an error or uses the network."""
    context = chromium.new_context(viewport={"width": 900, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    yield page
    context.close()
    assert problems == []
