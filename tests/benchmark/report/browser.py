"""Debian's Chromium, without a window, driven by Playwright's Python package; axe-core from its own."""

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def why_no_browser():
    """Return why no page can be opened here; empty where one can."""
    if not any(map(shutil.which, PROGRAMS)):
        return "no chromium on the path: apt install chromium"
    for package in ("playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            return f"no {package}, with which pages are opened and looked at: pip install '.[test]'"
    return ""


@contextmanager
def chromium():
    """Start the browser; yield it."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def serious_violations(page):
    """Return what axe-core finds serious or critical on an open page: rule, and the first element."""
    import axe_playwright_python

    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [
        (item["id"], item["nodes"][0]["html"]) for item in found if item["impact"] in ("serious", "critical")
    ]
