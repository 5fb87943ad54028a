"""The dashboard as a person uses it: look, break, mend, trade."""

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import WAIT_MS, Watched
from tests.cluster.conftest import LiveCluster

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
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
    leader = page.locator("#leader").inner_text()
    term = int(page.locator("#term").inner_text())
    strike(watched, "kill", leader)
    expect(page.locator("#term")).to_have_text(str(term + 1), timeout=WAIT_MS)
    expect(page.locator("#leader")).not_to_have_text(leader)
    dead = page.locator(f"tr#{leader}")
    expect(dead).to_contain_text("no answer", timeout=WAIT_MS)
    strike(watched, "restart", leader)
    expect(dead.locator("td").nth(2)).to_have_text("yes", timeout=WAIT_MS)
    expect(dead.locator("td").nth(5)).to_have_text("0")
    watched.go("/events")
    expect(row(watched, f"{leader} does not answer").first).to_be_visible()
    expect(row(watched, f"kill {leader}").first).to_be_visible()


def test_a_trade_replaces_the_stock_in_the_cache(watched: Watched, cluster: LiveCluster) -> None:
    ask(cluster, STOCK)
    watched.go("/cache")
    cached = row(watched, STOCK)
    expect(cached).to_be_visible(timeout=WAIT_MS)
    version = int(cached.locator("td").nth(1).inner_text())
    watched.go("/stocks")
    watched.page.fill("#trade [name=stock_name]", STOCK)
    watched.page.click("#trade button")
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
