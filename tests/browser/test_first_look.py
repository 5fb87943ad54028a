"""What somebody sees who opens the dashboard for the first time, and breaks something there."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from bazaar.clock import wait_until
from tests.browser.conftest import WAIT_MS, Browsing
from tests.browser.test_dashboard import read_stock
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy

pytestmark = pytest.mark.cluster
STOCK = "MenhirCo"
REPLICAS = ("order-1", "order-2", "order-3")
COUNT_UPDATES = """() => {
  window.updates = 0;
  const count = ({target}) => { updates += target.id === 'bz-live'; };
  document.addEventListener('htmx:afterSwap', count);
}"""
FIND_TOPS = """(all) => all.map((one) => document.querySelector(one).getBoundingClientRect().top)"""
LONE_POINTS = """() => {
  const lines = [...document.querySelectorAll('#bz-charts canvas')].flatMap((canvas) => {
    const chart = Chart.getChart(canvas);
    return chart.data.datasets.map((_, index) => chart.getDatasetMeta(index).data);
  });
  const isThere = (point) => point && !point.skip;
  const lone = lines.flatMap((points) => points.filter((point, at) => isThere(point)
    && !isThere(points[at - 1]) && !isThere(points[at + 1])));
  return lone.length && lone.map((point) => point.options.radius);
}"""


def shape(admin: Browsing, name: str) -> tuple[Any, ...]:
    """Return how a box of the picture looks to somebody who sees no colours."""
    box = admin.page.locator(f"#box-{name}")
    dashes = box.locator("rect").evaluate("(it) => getComputedStyle(it).strokeDasharray")
    marks = box.locator(".bz-mark")
    drawn = marks.get_attribute("d") if marks.count() else None
    return box.locator(".bz-box-note").text_content(), dashes, drawn


def await_updates(admin: Browsing, count: int) -> None:
    """Wait until the page was updated so many times."""
    admin.page.evaluate(COUNT_UPDATES)
    admin.page.wait_for_function(f"updates >= {count}", timeout=WAIT_MS)


def health(admin: Browsing) -> Locator:
    return admin.page.locator("#health")


def test_the_page_says_what_cluster_status_says(admin: Browsing, cluster: LiveCluster) -> None:
    admin.go("/")
    expect(health(admin)).to_have_text("healthy")
    assert cluster.status()["health"] == "healthy"
    cluster.kill("order-1")
    expect(health(admin)).to_have_text("degraded")
    assert cluster.status()["health"] == "degraded"
    expect(admin.page.locator("#health-reasons")).to_contain_text("order-1 does not answer.")
    for name in REPLICAS[1:]:
        cluster.kill(name)
    expect(health(admin)).to_have_text("no leader")
    assert cluster.status()["health"] == "no leader"
    expect(admin.page.locator("#leader")).to_have_text("none")
    expect(admin.page.locator(".bz-health")).to_contain_text("nobody leads")
    expect(admin.page.locator(".bz-box-leader")).to_have_count(0)
    admin.go("/stocks")
    expect(health(admin)).to_have_text("no leader")


def test_killed_and_paused_look_different_without_colours(
    admin: Browsing, cluster: LiveCluster
) -> None:
    page, (killed, paused) = admin.page, [one for one in REPLICAS if one != cluster.leader()]
    admin.go("/")
    well = shape(admin, killed)
    cluster.kill(killed)
    cluster.pause(paused)
    expect(page.locator(f"#box-{killed}")).to_contain_text("not running")
    expect(page.locator(f"#box-{paused}")).to_contain_text("paused or cut off")
    shapes = (well, shape(admin, killed), shape(admin, paused))
    for parts in zip(*shapes, strict=True):
        assert len(set(parts)) == len(shapes)
    expect(page.locator(f"tr#{paused}")).to_contain_text("paused or cut off")
    expect(page.locator(f"tr#{killed}")).to_contain_text("not running")


def test_the_fault_form_is_by_the_picture_asks_by_name_and_keeps_its_choice(
    admin: Browsing, cluster: LiveCluster
) -> None:
    page, asked = admin.page, list[str]()
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    admin.go("/")
    picture, form, table = page.evaluate(FIND_TOPS, [".bz-picture", "#faults", "tr#order-1"])
    assert picture < form < table
    page.select_option("#faults [name=name]", "order-2")
    for verb, signal in (("pause", "SIGSTOP"), ("resume", "SIGCONT")):
        page.click(f"#faults [value={verb}]")
        expect(page.locator("body")).to_contain_text(f"order-2: {signal} sent")
        expect(page.locator("#faults [name=name]")).to_have_value("order-2")
    assert asked == ["Pause order-2?", "Resume order-2?"]
    await_updates(admin, 2)
    expect(page.locator("#faults [name=name]")).to_have_value("order-2")


def test_an_event_is_a_sentence_and_stays_open_while_the_page_is_updated(
    admin: Browsing, cluster: LiveCluster
) -> None:
    page, leader = admin.page, cluster.leader()
    cluster.kill(leader)
    admin.go("/events?q=leads%20since")
    newest = page.locator(".bz-events details").first.get_attribute("id")
    event = page.locator(f"#{newest}")  # others may come before it
    expect(event.locator("summary")).to_have_text(
        re.compile(r"^Replica \d leads since \d\d:\d\d:\d\d, term \d+\.$")
    )
    fields = event.locator("code")
    expect(fields).to_be_hidden()
    event.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(fields).to_have_text(re.compile(r"^order-\d: leading term=\d+ leader=\d$"))
    await_updates(admin, 2)
    expect(fields).to_be_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY", "a keyboard goes on there"


def test_trades_and_queries_a_second_are_on_the_first_page(
    admin: Browsing, cluster: LiveCluster
) -> None:
    admin.go("/")
    facts = ("#trades-per-s", "#trades-p99", "#queries-per-s", "#queries-p99")
    seen = set[str]()

    def are_all_seen() -> bool:
        buy(cluster, STOCK)
        read_stock(cluster, STOCK)
        for fact in facts:
            if re.search("[1-9]", admin.page.locator(fact).inner_text()):
                seen.add(fact)
        return seen == set(facts)

    assert wait_until(are_all_seen, WAIT_MS / 1000), seen


def test_a_single_point_of_a_chart_is_seen(admin: Browsing, cluster: LiveCluster) -> None:
    """A second with one trade between two without any: a line has nowhere to go."""
    admin.go("/traffic")
    await_updates(admin, 2)
    buy(cluster, STOCK)
    await_updates(admin, 4)
    radii = admin.page.wait_for_function(LONE_POINTS, timeout=WAIT_MS).json_value()
    assert min(radii) > 1


def test_names_of_stocks_complete_as_they_are_typed(admin: Browsing) -> None:
    page = admin.page
    for path, form in (("/stocks", "#trade"), ("/stocks", "#price"), ("/cache", "#evict")):
        admin.go(path)
        page.locator(f"{form} [name=stock_name]").press_sequentially("menh")
        option = page.locator(f"{form} datalist option")
        expect(option).to_have_count(1)
        expect(option).to_have_attribute("value", STOCK)
