"""A trade is placed, watched and read step by step, with the keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Browsing

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_a_trade_is_placed_and_watched(admin: Browsing) -> None:
    page = admin.page
    admin.go("/trace")
    page.fill("#watch [name=stock_name]", STOCK)
    page.click("#watch button")
    expect(page.locator("#outcome")).to_have_text(re.compile("placed"))
    steps, drawn = page.locator("#steps tbody tr"), page.locator(".bz-space-time a")
    expect(drawn).to_have_count(steps.count())
    assert steps.filter(has_text="on disk").count() == 4
    for name in ("frontend-1", "catalog", "order-1", "order-2", "order-3"):
        expect(page.locator(".bz-lane", has_text=name)).to_be_visible()


def test_each_order_leads_to_its_trace_and_each_step_to_its_words(admin: Browsing) -> None:
    page = admin.page
    admin.go("/trace")
    page.fill("#watch [name=stock_name]", STOCK)
    page.click("#watch button")
    expect(page.locator("#steps")).to_be_visible()
    number = page.get_by_role("heading", name=re.compile(r"^Order [\d,]+$")).inner_text()
    admin.go("/orders")  # what it shows may be some seconds old
    page.click(f'#bz-live a[href="/trace?q={number.removeprefix("Order ").replace(",", "")}"]')
    expect(page.locator("#outcome")).to_have_text(re.compile("placed"))
    page.locator(".bz-trace-picture").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#step-2$"))
    expect(page.locator("#step-2")).to_be_in_viewport()


def test_a_phone_shows_all_of_it(admin: Browsing) -> None:
    page = admin.page
    size = page.viewport_size
    assert size
    try:
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        admin.go("/trace")
        page.fill("#watch [name=stock_name]", STOCK)
        page.click("#watch button")
        expect(page.locator("#steps")).to_be_visible()
        assert page.evaluate(OVERFLOW) <= 0
        box = page.locator(".bz-space-time").bounding_box()
        assert box
        assert box["width"] <= PHONE["width"], "with three replicas nothing is to the side"
    finally:
        page.set_viewport_size(size)
