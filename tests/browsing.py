"""Headless Chromium for tests; without one they are skipped, with the way to install it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

HOW = "no Chromium here: apt-get install chromium (or set LETTER_TEST_CHROMIUM to its path)"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_chromium() -> str:
    """Return the path of a Chromium, or skip."""
    named = os.environ.get("LETTER_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", MAC))), None)
    if not found:
        pytest.skip(HOW)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def at(browser: Browser, width: int, *, javascript: bool = True, dark: bool = False) -> Iterator[Page]:
    """A page of somebody whose screen is so wide; it fails the test if anything is asked of another host."""
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
        accept_downloads=True,
    )
    foreign: list[str] = []
    context.on("request", lambda request: foreign.append(request.url) if "127.0.0.1" not in request.url else None)
    yield context.new_page()
    context.close()
    assert foreign == []
