"""The browsable API in a browser: through the dashboard, and at the front end itself."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor, Watched

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
ENDPOINTS = (
    *("/api", "/api/catalog/served/query", "/api/order-1/control/sync", "/api/cluster"),
    *("/api/frontend-1/served/orders", "/api/catalog/control/status"),
)


def test_staff_use_an_internal_view_of_a_replica(watched: Watched) -> None:
    page = watched.page
    page.click("nav a[href='/api'], a[href='/api']")
    page.click("#order-1 a[href='/api/order-1/control/ping']")
    expect(page.locator("#description")).to_contain_text("Whether this replica is alive")
    expect(page.locator("#description")).to_contain_text("Members of the cluster")
    expect(page.locator("#answer pre").first).to_contain_text('"alive order server": 1')
    watched.go("/api/order-1/control/sync")
    page.click("#post button")
    expect(page.locator("#answer")).to_contain_text("409 Conflict")
    expect(page.locator("#answer pre").first).to_contain_text("The current term is")
    watched.go("/dashboard/deed/")
    expect(page.locator("body")).to_contain_text("order-1 control POST /sync")


def test_a_price_is_changed_through_the_catalogs_own_view(watched: Watched) -> None:
    page = watched.page
    watched.go("/api/catalog/control/price")
    page.fill("[name=stock_name]", STOCK)
    page.fill("[name=price]", "12.34")
    page.click("#post button")
    expect(page.locator("#answer")).to_contain_text("200 OK")
    watched.go("/api/catalog/served/query")
    page.fill("[name=stock_name]", STOCK)
    page.click("#get button")
    expect(page.locator("#answer pre").first).to_contain_text('"price": 12.34')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_it_fits_a_phone(watched: Watched, scheme: Any) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    watched.page.set_viewport_size({"width": 390, "height": 800})
    for path in ENDPOINTS:
        watched.go(path)
        expect(watched.page.locator(".bz-panel").first).to_be_visible()
        width = watched.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path


def test_anybody_trades_and_looks_up_in_a_browser(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/")
    page.click("#endpoints a[href='/stocks']")
    page.fill("[name=stock_name]", STOCK)
    page.click("#get button")
    expect(page.locator("#answer pre").first).to_contain_text('"stock_name": "MenhirCo"')
    visitor.go("/orders")
    page.fill("[name=stock_name]", STOCK)
    page.select_option("[name=trade_type]", "buy")
    page.fill("[name=quantity]", "2")
    page.click("#post button")
    expect(page.locator("#answer")).to_contain_text("200 OK")
    (number,) = re.findall(r'"order_no": (\d+)', page.locator("#answer").inner_text())
    page.reload()
    expect(page.locator("#answer pre").first).to_contain_text(f'"order_no": {number}\n')
    page.fill("[name=order_no]", number)
    page.click("#get button")
    expect(page.locator("#answer pre").first).to_contain_text('"quantity": 2')
