"""The browsable API in a browser: through the dashboard, and at the front end itself."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Browsing

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"


def test_staff_read_an_endpoint_of_a_replica(admin: Browsing) -> None:
    page = admin.page
    admin.go("/")
    page.click("nav a[href='/api'], a[href='/api']")
    page.click("#order-1 a[href='/api/order-1/control/ping']")
    expect(page.locator("#description")).to_contain_text("whether this replica is alive")
    expect(page.locator("#answer pre").first).to_contain_text('"alive order server": 1')
    admin.go("/api/order-1/control/sync")
    expect(page.locator("#refused")).to_contain_text("because it changes something: POST")
    admin.go("/api/order-1/control/log")
    page.fill("[name=limit]", "1")
    page.click("#get button")
    expect(page.locator("#answer")).to_contain_text("200 OK")


def test_a_price_is_changed_beside_the_endpoint_that_does_it(admin: Browsing) -> None:
    page = admin.page
    admin.go("/api/catalog/control/price")
    page.fill("#price [name=stock_name]", STOCK)
    page.fill("#price [name=price]", "12.34")
    page.click("#price button")
    expect(page.locator("body")).to_contain_text(f"{STOCK} costs 12.34 now")
    admin.go("/api/catalog/served/query")
    page.fill("[name=stock_name]", STOCK)
    page.click("#get button")
    expect(page.locator("#answer pre").first).to_contain_text('"price": 12.34')


def test_anybody_trades_and_looks_up_at_the_front_end(front_end: Browsing) -> None:
    page = front_end.page
    front_end.go("/")
    page.click("#endpoints a[href='/stocks']")
    page.fill("[name=stock_name]", STOCK)
    page.click("#get button")
    expect(page.locator("#answer pre").first).to_contain_text('"stock_name": "MenhirCo"')
    front_end.go("/orders")
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
