"""A real cluster, and Debian's Chromium looking at its dashboard."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.cluster.conftest import LiveCluster, SharedCluster, prepared

__all__ = ["prepared"]
CHROMIUM = shutil.which("chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium asks nobody outside for anything."""
WAIT_MS = 20_000


@pytest.fixture(scope="package")
def _shared(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[SharedCluster]:
    shared = SharedCluster(tmp_path_factory.mktemp("browser"), prepared)
    yield shared
    shared.end()


@pytest.fixture
def cluster(_shared: SharedCluster) -> LiveCluster:
    """Return the cluster of this folder, healthy."""
    return _shared.healthy()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Chromium. `.ci/install-tool chromium chromium` installs it."""
    assert CHROMIUM, "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Visitor:
    """A page of somebody who has signed in nowhere, and whatever went wrong in it."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page, self.base_url = page, base_url
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._leave(request.url))
        page.on("dialog", lambda dialog: dialog.accept())

    def go(self, path: str) -> None:
        """Open another page of the same process."""
        self.page.goto(self.base_url + path)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _leave(self, url: str) -> None:
        if not url.startswith((self.base_url, "data:")):
            self.faults.append(f"left the origin: {url}")


class Watched(Visitor):
    """A page that has signed in to the dashboard."""

    def __init__(self, page: Page, base_url: str, password: str) -> None:
        super().__init__(page, base_url)
        page.goto(base_url)
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_selector("#leader")


@pytest.fixture
def visitor(browser: Browser, cluster: LiveCluster) -> Iterator[Visitor]:
    """Return a browser at the front end; no error and no foreign request is let pass."""
    page = browser.new_page()
    made = Visitor(page, cluster.base_url)
    yield made
    page.close()
    assert made.faults == []


@pytest.fixture
def watched(browser: Browser, cluster: LiveCluster) -> Iterator[Watched]:
    """Return a browser's page that has signed in; no error and no foreign request is let pass."""
    password = (cluster.data.root / "dashboard.password").read_text().strip()
    page = browser.new_page()
    made = Watched(page, cluster.url("dashboard"), password)
    yield made
    page.close()
    assert made.faults == []
