"""The dashboard as a person uses it: look, inject faults, trade."""

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from bazaar.clock import wait_until
from bazaar.protocol.clients import CatalogClient
from tests.browser.conftest import WAIT_MS, Browsing
from tests.cluster.conftest import LiveCluster
from tests.cluster.pages import DashboardUser, open_pages
from tests.cluster.requests import buy

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
SHOWN_MS = 2000
"""From a click until the page shows what came of it; measured in the page."""
TRIES = 3
"""A machine that stands still for a moment makes one or two of them longer."""
NOTE_CLICKS = (
    "document.addEventListener('submit', () => { sessionStorage.clickedAt = Date.now(); })"
)
ALL_SHOWN = """([leader, term]) => {
  const text = (selector) => (document.querySelector(selector) || {textContent: ""}).textContent;
  const isShown = Number(text("#term")) > term && ![leader, "none"].includes(text("#leader"))
    && text(`tr#${leader}`).includes("not running")
    && text("#latest").includes(`${leader} does not answer`);
  return isShown && Date.now();
}"""
SCHEMES: tuple[Any, ...] = ("light", "dark")
PAGES_OPEN, UPDATES = 100, 3
COUNTED = ("GET /status", "GET /stocks", "GET /rows")
CALLS_MAX = 8
"""For each update the dashboard makes three calls, `cluster up` up to two; a page would add one."""
PAGES = (
    *("/", "/cache", "/stocks", "/orders", "/events", "/traffic", "/trace", "/api"),
    *("/auth/user/", "/auth/user/1/change/", "/dashboard/auditentry/"),
    *("/api/catalog/served/query", "/api/order-1/control/sync", "/api/cluster"),
    *("/api/frontend-1/served/orders", "/api/catalog/control/status"),
)


def read_stock(cluster: LiveCluster, stock_name: str) -> dict[str, Any]:
    """Read a stock at the front end, so that it is in its cache afterwards."""
    query = urllib.parse.urlencode({"stock_name": stock_name})
    with urllib.request.urlopen(f"{cluster.base_url}/stocks?{query}", timeout=5) as reply:  # noqa: S310
        answer: dict[str, Any] = json.load(reply)
    return answer


def inject(admin: Browsing, verb: str, name: str) -> None:
    admin.page.select_option("#faults [name=name]", name)
    admin.page.click(f"#faults [value={verb}]")


def row(admin: Browsing, text: str) -> Locator:
    return admin.page.locator("#bz-live tr", has_text=text)


def test_three_replicas_and_their_leader_are_seen(admin: Browsing) -> None:
    page = admin.page
    admin.go("/")
    expect(page.locator("#leader")).to_have_text(re.compile(r"order-[123]"))
    for number in (1, 2, 3):
        expect(page.locator(f"tr#order-{number}")).to_be_visible()
    expect(page.locator("#in-sync")).to_have_text("3 of 3")


def test_a_killed_leader_is_replaced_and_comes_back_level(
    admin: Browsing, cluster: LiveCluster
) -> None:
    took_ms = [kill_and_restart_leader(admin)]
    while took_ms[-1] >= SHOWN_MS and len(took_ms) < TRIES:
        cluster.heal()
        took_ms.append(kill_and_restart_leader(admin))
    assert took_ms[-1] < SHOWN_MS, took_ms


def kill_and_restart_leader(admin: Browsing) -> float:
    """Kill the leader and see all that the pages show; return how soon, in milliseconds."""
    page = admin.page
    admin.go("/")
    page.evaluate(NOTE_CLICKS)
    leader = page.locator("#leader").inner_text()
    term = int(page.locator("#term").inner_text())
    inject(admin, "kill", leader)
    shown = page.wait_for_function(ALL_SHOWN, arg=[leader, term], timeout=WAIT_MS)
    took_ms = float(shown.json_value() - page.evaluate("Number(sessionStorage.clickedAt)"))
    dead = page.locator(f"tr#{leader}")
    inject(admin, "restart", leader)
    expect(dead.locator("td").nth(2)).to_have_text("yes")
    expect(dead.locator("td").nth(5)).to_have_text("0")
    admin.go("/events")
    expect(row(admin, f"{leader} does not answer").first).to_be_visible()
    expect(row(admin, f"kill {leader}").first).to_be_visible()
    return took_ms


def test_a_page_says_that_it_is_old_and_goes_on_once_the_dashboard_is_back(
    admin: Browsing, cluster: LiveCluster
) -> None:
    page, pid, old = admin.page, cluster.view("dashboard").pid, admin.page.locator("#bz-old")
    admin.go("/")
    cluster.pause("dashboard")
    expect(old).to_have_text(re.compile(r"data \d+ s old; the dashboard does not answer"))
    cluster.resume("dashboard")
    expect(old).to_be_hidden()
    inject(admin, "restart", "dashboard")
    expect(page.locator("body")).to_contain_text("dashboard is being restarted")
    assert wait_until(lambda: cluster.view("dashboard").pid not in (pid, 0), WAIT_MS / 1000)
    order_no = buy(cluster, STOCK).body["order_no"]
    expect(page.locator("#last")).to_have_text(str(order_no))
    admin.faults.clear()  # Chromium's own words about a port without a listener
    admin.go("/dashboard/auditentry/")
    entry = page.locator("#result_list tr", has_text="restart dashboard").first
    expect(entry).to_contain_text("admin")
    expect(entry).to_contain_text("is being restarted")


def test_a_hundred_open_pages_cost_the_cluster_no_more_calls_than_one(cluster: LiveCluster) -> None:
    """Every page gets each of its updates, and the processes are polled once for all of them."""
    user = DashboardUser(cluster)
    with open_pages(user, PAGES_OPEN) as pages:
        assert wait_until(lambda: all(page.texts for page in pages), WAIT_MS / 1000)
        before, fed = count_calls(cluster), [len(page.texts) for page in pages]
        goals = [so_far + UPDATES for so_far in fed]
        assert wait_until(
            lambda: all(len(page.texts) >= goal for page, goal in zip(pages, goals, strict=True)),
            WAIT_MS / 1000,
        )
        after = count_calls(cluster)
        updates = max(len(page.texts) - so_far for page, so_far in zip(pages, fed, strict=True))
    assert [page.failures for page in pages] == [0] * PAGES_OPEN
    assert (after - before) / (updates + 1) < CALLS_MAX


def count_calls(cluster: LiveCluster) -> int:
    """Return how many calls for pages the catalog got."""
    catalog = CatalogClient.at(cluster.topology.catalog, cluster.secret, WAIT_MS / 1000)
    calls = [one for one in catalog.status().operations if one.name.startswith(COUNTED)]
    catalog.close()
    return sum(one.count for one in calls)


def test_a_trade_replaces_the_stock_in_the_cache(admin: Browsing, cluster: LiveCluster) -> None:
    read_stock(cluster, STOCK)
    admin.go("/cache")
    cached = row(admin, STOCK)
    expect(cached).to_be_visible()
    version = int(cached.locator("td").nth(1).inner_text())
    admin.go("/stocks")
    admin.page.fill("#trade [name=stock_name]", STOCK)
    admin.page.press("#trade [name=quantity]", "Enter")  # no mouse is needed
    expect(admin.page.locator("body")).to_contain_text("is placed")
    admin.go("/cache")
    expect(row(admin, STOCK)).to_have_count(0)
    read_stock(cluster, STOCK)
    expect(cached.locator("td").nth(1)).to_have_text(str(version + 1))


def test_every_page_fits_a_phone(admin: Browsing) -> None:
    admin.page.set_viewport_size({"width": 390, "height": 800})
    for path in PAGES:
        admin.go(path)
        expect(admin.page.locator("h1, .bz-panel").first).to_be_visible()
        for scheme in SCHEMES:
            admin.page.emulate_media(color_scheme=scheme)
            width = admin.page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, path
