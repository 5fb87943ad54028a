"""A real cluster, and Debian's Chromium on its dashboard; both serve all tests of this folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.cluster.conftest import LiveCluster, prepare

CHROMIUM = shutil.which("chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium asks nobody outside for anything."""
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="package")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    folder = tmp_path_factory.mktemp("browser")
    live = LiveCluster.from_prepared(folder, prepare(tmp_path_factory))
    live.up()
    yield live
    live.end()


@pytest.fixture
def cluster(_cluster: LiveCluster) -> LiveCluster:
    """Return the cluster of these tests, healthy; its orders stay from test to test."""
    _cluster.heal()
    return _cluster


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Chromium. `.ci/install-tool chromium chromium` installs it."""
    assert CHROMIUM, "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Browsing:
    """A page of one process in the browser, and whatever went wrong in it."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page, self.base_url = page, base_url
        self.faults: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._check_origin(request.url))
        page.on("dialog", lambda dialog: dialog.accept())

    def go(self, path: str) -> None:
        """Open another page of the same process."""
        self.page.goto(self.base_url + path)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _check_origin(self, url: str) -> None:
        if not url.startswith((self.base_url, "data:")):
            self.faults.append(f"left the origin: {url}")


@contextmanager
def open_page(context: BrowserContext, base_url: str) -> Iterator[Browsing]:
    """Open a page; let no error and no request to elsewhere pass."""
    page = context.new_page()
    browsing = Browsing(page, base_url)
    yield browsing
    page.close()
    assert browsing.faults == []


@pytest.fixture
def front_end(browser: Browser, cluster: LiveCluster) -> Iterator[Browsing]:
    """Return a page of somebody at the front end."""
    with browser.new_context() as context, open_page(context, cluster.base_url) as browsing:
        yield browsing


@pytest.fixture(scope="package")
def _signed_in(browser: Browser, _cluster: LiveCluster) -> Iterator[BrowserContext]:
    """Sign in as a person does, once for all tests."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(_cluster.url("dashboard"))
        page.fill("[name=username]", "admin")
        page.fill(
            "[name=password]", (_cluster.data.root / "dashboard.password").read_text().strip()
        )
        page.click("button[type=submit]")
        page.wait_for_selector("#leader", timeout=WAIT_MS)
        page.close()
        yield context


@pytest.fixture
def admin(_signed_in: BrowserContext, cluster: LiveCluster) -> Iterator[Browsing]:
    """Return a page at the dashboard, signed in as a superuser; it has not gone anywhere yet."""
    with open_page(_signed_in, cluster.url("dashboard")) as browsing:
        yield browsing
