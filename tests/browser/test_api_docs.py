"""Swagger UI and Redoc in a browser: whole, from our origin, without an error in the console."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Browsing

pytestmark = pytest.mark.cluster
SPOT = "#operations-v1-v1_trade"


def test_a_trade_is_made_from_swagger_ui(front_end: Browsing) -> None:
    page = front_end.page
    front_end.go("/api/docs/")
    page.click(f"{SPOT} .opblock-summary-control")
    body = page.locator(f"{SPOT} textarea.body-param__text")
    body.fill('{"stock_name": "MenhirCo", "trade_type": "buy", "quantity": 1}')
    page.fill(f"{SPOT} tr[data-param-name='Idempotency-Key'] input", "")
    page.click(f"{SPOT} button.execute")
    answer = page.locator(f"{SPOT} .live-responses-table")
    expect(answer).to_contain_text("201")
    expect(answer).to_contain_text('"stock_name": "MenhirCo"')
    (number,) = re.findall(r"location: /api/v1/orders/(\d+)", answer.inner_text())
    front_end.go(f"/api/v1/orders/{number}")
    expect(page.locator("#answer pre").first).to_contain_text('"stock_name": "MenhirCo"')


def test_redoc_shows_every_dialect_and_error(front_end: Browsing) -> None:
    page = front_end.page
    front_end.go("/api/docs/redoc/")
    for text in ("/api/v1/stocks/{stock_name}", "/stocks/{name}", "/leader", "key_reused"):
        expect(page.locator("#redoc")).to_contain_text(text)
    menu = page.locator(".menu-content").bounding_box()
    assert menu is not None
    assert 100 < menu["width"] < 600, "its styles are there"
    expect(page.get_by_alt_text("redocly logo")).to_be_hidden()
