"""The dashboard as a person uses it: look, break, mend, trade."""

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from bazaar.clock import wait_until
from bazaar.protocol.clients import CatalogClient
from tests.browser.conftest import WAIT_MS, Watched
from tests.cluster.conftest import LiveCluster
from tests.cluster.pages import Visitor, open_pages
from tests.cluster.requests import buy

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
SHOWN_MS = 2000
"""From a click until the page shows what came of it; measured in the page."""
NOTE_CLICKS = (
    "document.addEventListener('submit', () => { sessionStorage.clickedAt = Date.now(); })"
)
ALL_SHOWN = """([leader, term]) => {
  const text = (selector) => (document.querySelector(selector) || {textContent: ""}).textContent;
  const isShown = Number(text("#term")) > term && ![leader, "none"].includes(text("#leader"))
    && text(`tr#${leader}`).includes("no answer")
    && text("#latest").includes(`${leader} does not answer`);
  return isShown && Date.now();
}"""
PAGES_OPEN, UPDATES = 100, 3
QUESTIONS = ("GET /status", "GET /stocks", "GET /rows")
ASKED_PER_S_MAX = 8
"""The dashboard asks three questions a second, `cluster up` another two; a page would add one."""
PAGES = ("/", "/cache", "/stocks", "/orders", "/events", "/traffic", "/auth/user/")


def ask(cluster: LiveCluster, stock_name: str) -> dict[str, Any]:
    """Ask the front end for a stock, so that it is in memory afterwards."""
    query = urllib.parse.urlencode({"stock_name": stock_name})
    with urllib.request.urlopen(f"{cluster.base_url}/stocks?{query}", timeout=5) as reply:  # noqa: S310
        answer: dict[str, Any] = json.load(reply)
    return answer


def strike(watched: Watched, verb: str, name: str) -> None:
    watched.page.select_option("#faults [name=name]", name)
    watched.page.click(f"#faults [value={verb}]")


def row(watched: Watched, text: str) -> Locator:
    return watched.page.locator("#bz-live tr", has_text=text)


def test_three_replicas_and_their_leader_are_seen(watched: Watched) -> None:
    page = watched.page
    expect(page.locator("#leader")).to_have_text(re.compile(r"order-[123]"))
    for number in (1, 2, 3):
        expect(page.locator(f"tr#order-{number}")).to_be_visible()
    expect(page.locator("#in-sync")).to_have_text("3 of 3", timeout=WAIT_MS)


def test_a_killed_leader_is_replaced_and_comes_back_level(
    watched: Watched, cluster: LiveCluster
) -> None:
    page = watched.page
    page.evaluate(NOTE_CLICKS)
    leader = page.locator("#leader").inner_text()
    term = int(page.locator("#term").inner_text())
    strike(watched, "kill", leader)
    shown = page.wait_for_function(ALL_SHOWN, arg=[leader, term], timeout=WAIT_MS)
    took_ms = shown.json_value() - page.evaluate("Number(sessionStorage.clickedAt)")
    assert took_ms < SHOWN_MS
    dead = page.locator(f"tr#{leader}")
    strike(watched, "restart", leader)
    expect(dead.locator("td").nth(2)).to_have_text("yes", timeout=WAIT_MS)
    expect(dead.locator("td").nth(5)).to_have_text("0")
    watched.go("/events")
    expect(row(watched, f"{leader} does not answer").first).to_be_visible()
    expect(row(watched, f"kill {leader}").first).to_be_visible()


def test_a_page_says_that_it_is_old_and_goes_on_once_the_dashboard_is_back(
    watched: Watched, cluster: LiveCluster
) -> None:
    page, pid, old = watched.page, cluster.view("dashboard").pid, watched.page.locator("#bz-old")
    cluster.pause("dashboard")
    expect(old).to_have_text(
        re.compile(r"data \d+ s old; the dashboard does not answer"), timeout=WAIT_MS
    )
    cluster.resume("dashboard")
    expect(old).to_be_hidden(timeout=WAIT_MS)
    strike(watched, "restart", "dashboard")
    expect(page.locator("body")).to_contain_text("dashboard is being restarted")
    assert wait_until(lambda: cluster.view("dashboard").pid not in (pid, 0), WAIT_MS / 1000)
    order_no = buy(cluster, STOCK).body["order_no"]
    expect(page.locator("#last")).to_have_text(str(order_no), timeout=WAIT_MS)
    watched.faults.clear()  # the browser's own words about a port that nobody listened on
    watched.go("/dashboard/deed/")
    deed = page.locator("#result_list tr", has_text="restart dashboard").first
    expect(deed).to_contain_text("admin")
    expect(deed).to_contain_text("is being restarted")


def test_a_hundred_open_pages_ask_the_roles_no_more_often_than_one(cluster: LiveCluster) -> None:
    """Every page gets each of its updates, and the roles are asked once for all of them."""
    visitor = Visitor(cluster)
    with open_pages(visitor, PAGES_OPEN) as pages:
        assert wait_until(lambda: all(page.texts for page in pages), WAIT_MS / 1000)
        (before, began_s), fed = asked(cluster), [len(page.texts) for page in pages]
        goals = [so_far + UPDATES for so_far in fed]
        assert wait_until(
            lambda: all(len(page.texts) >= goal for page, goal in zip(pages, goals, strict=True)),
            WAIT_MS / 1000,
        )
        after, ended_s = asked(cluster)
    assert [page.failures for page in pages] == [0] * PAGES_OPEN
    assert (after - before) / (ended_s - began_s) < ASKED_PER_S_MAX


def asked(cluster: LiveCluster) -> tuple[int, float]:
    """Return how often the catalog was asked what pages show, and for how long it has been up."""
    catalog = CatalogClient.at(cluster.topology.catalog, cluster.secret, WAIT_MS / 1000)
    told = catalog.status()
    catalog.close()
    questions = [one for one in told.operations if one.name.startswith(QUESTIONS)]
    return sum(one.count for one in questions), told.uptime_s


def test_a_trade_replaces_the_stock_in_the_cache(watched: Watched, cluster: LiveCluster) -> None:
    ask(cluster, STOCK)
    watched.go("/cache")
    cached = row(watched, STOCK)
    expect(cached).to_be_visible(timeout=WAIT_MS)
    version = int(cached.locator("td").nth(1).inner_text())
    watched.go("/stocks")
    watched.page.fill("#trade [name=stock_name]", STOCK)
    watched.page.press("#trade [name=quantity]", "Enter")  # no mouse is needed
    expect(watched.page.locator("body")).to_contain_text("is placed")
    watched.go("/cache")
    expect(row(watched, STOCK)).to_have_count(0, timeout=WAIT_MS)
    ask(cluster, STOCK)
    expect(cached.locator("td").nth(1)).to_have_text(str(version + 1), timeout=WAIT_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(watched: Watched, scheme: Any) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    watched.page.set_viewport_size({"width": 390, "height": 800})
    for path in PAGES:
        watched.go(path)
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
