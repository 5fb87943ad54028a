"""The page Trace: a trade as a space-time diagram, with its steps in words."""

from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from msgspec.structs import replace

import dashboard.wiring
from bazaar.client.answers import Indefinite, OrderAnswer, Refused
from bazaar.core.types import TradeType
from bazaar.protocol.traces import TradeTrace
from dashboard.models import AuditEntry
from dashboard.trace_diagram import TOP, TraceDiagram, draw
from tests.dashboard.conftest import check_policy
from tests.support.traces import TRACE, step

KEY = UUID(TRACE.idempotency_key)
TRADE = {"stock_name": "3M", "trade_type": "buy", "quantity": 2}


@pytest.fixture
def diagram() -> TraceDiagram:
    return draw(TRACE)


def test_each_process_with_a_part_has_a_line(diagram: TraceDiagram) -> None:
    assert [(lane.name, lane.reason) for lane in diagram.lanes] == [
        ("frontend-1", ""),
        ("order-3", "<refused>"),
        ("order-2", ""),
    ]
    assert all(0 < lane.x < diagram.width for lane in diagram.lanes)


def test_time_goes_downwards_and_long_times_are_shortened(diagram: TraceDiagram) -> None:
    heights = [mark.y for mark in diagram.marks]
    assert heights[0] == TOP
    assert all(before < after for before, after in pairwise(heights)), "two numbers never overlap"
    assert [gap.text for gap in diagram.gaps] == ["99 ms", "50 ms", "7 ms"]
    assert heights[3] - heights[2] < 150
    assert diagram.bottom >= heights[-1]
    assert [tick.text for tick in diagram.ticks][:4] == ["0.00", "0.00", "1.00", "150.00"]


def test_an_answered_message_is_two_arrows_and_a_lost_one_half(diagram: TraceDiagram) -> None:
    (lost,), (sent, answered) = diagram.marks[2].arrows, diagram.marks[3].arrows
    x = {lane.name: lane.x for lane in diagram.lanes}
    assert (lost.end, sent.end, answered.end) == ("✗", "", "")
    assert x["frontend-1"] == lost.x1 < lost.x2 < x["order-3"]
    assert (sent.x1, sent.is_answer, answered.is_answer) == (x["frontend-1"], False, True)
    assert answered.x1 == x["order-2"]
    assert sent.y1 <= sent.y2 <= diagram.marks[4].y <= answered.y1 <= answered.y2
    assert diagram.marks[4].arrows == ()


def test_a_message_to_nobody_known_is_no_arrow() -> None:
    alone = replace(TRACE, steps=(step(1, "message", "frontend-1", 0, 1),))
    assert draw(alone).marks[0].arrows == ()


def test_an_election_that_began_before_the_trade_comes_first() -> None:
    before, after = step(1, "election", "order-2", -30, 5), step(2, "request", "frontend-1", 0, 9)
    drawn = draw(replace(TRACE, steps=(before, after)))
    election, request = drawn.marks
    assert TOP == election.y < request.y < election.end_y
    assert [tick.text for tick in drawn.ticks] == ["-30.00", "0.00"]
    assert [gap.text for gap in drawn.gaps] == ["30 ms"]


@dataclass
class FakeFrontEnd:
    """
    What the dashboard's client asks, and what it answers.

    Pages are kept for some seconds: each test asks for another trade.
    """

    trace_of: int | UUID | None = None
    fails: bool = False
    key: UUID | None = None
    known: TradeTrace = TRACE

    def trace(self, wanted: int | UUID) -> TradeTrace:
        self.trace_of = wanted
        if self.fails:
            raise Refused("Nobody remembers this trade.")
        return self.known

    def trade(
        self, stock_name: str, trade_type: TradeType, quantity: int, key: UUID
    ) -> OrderAnswer:
        self.key = key
        if self.fails:
            raise Indefinite("It may have happened.", key=str(key))
        return OrderAnswer(7, stock_name, trade_type, quantity)


@pytest.fixture
def front_end(monkeypatch: pytest.MonkeyPatch) -> FakeFrontEnd:
    made = FakeFrontEnd()
    monkeypatch.setattr(dashboard.wiring, "public_client", lambda: made)
    return made


@pytest.mark.parametrize(("text", "wanted"), [("7", 7), (str(KEY), KEY), (KEY.hex, KEY)])
def test_a_trade_is_shown_by_number_and_by_key(
    superuser: Client, front_end: FakeFrontEnd, text: str, wanted: int | UUID
) -> None:
    page = superuser.get("/trace", {"q": text})
    html = page.content.decode()
    check_policy(page)
    assert front_end.trace_of == wanted
    for said in ("Order 7", "161.0 ms", "placed, status 200", "order-1 could not be asked", "away"):
        assert said in html
    for one in TRACE.steps:
        assert f'href="#step-{one.no}"' in html
        assert f'<tr id="step-{one.no}">' in html
    assert "reset\n&lt;by&gt; peer" in html
    assert "The clock of order-2 is 12.500 ms behind the first one" in html
    assert "<refused>" not in html
    assert superuser.get("/api/trace", {"q": text}).json()["trace"]["order_no"] == 7


@pytest.mark.parametrize(("text", "says"), [("x", "a UUID"), ("8", "Nobody remembers")])
def test_what_cannot_be_shown_is_said(
    superuser: Client, front_end: FakeFrontEnd, text: str, says: str
) -> None:
    front_end.fails = True
    html = superuser.get("/trace", {"q": text}).content.decode()
    assert says in html
    assert "bz-space-time" not in html


def test_an_answer_whose_sender_is_gone_is_no_failure(
    superuser: Client, front_end: FakeFrontEnd
) -> None:
    """order-3 answered, and died later with all that it remembered."""
    front_end.known = replace(TRACE, steps=(replace(TRACE.steps[2], error=""),))
    (arrow,) = draw(front_end.known).marks[0].arrows
    assert arrow.end == "?"
    html = superuser.get("/trace", {"q": "70"}).content.decode()
    assert "answered; nobody remembers what order-3 did" in html


def test_a_trace_without_steps_has_no_picture(superuser: Client, front_end: FakeFrontEnd) -> None:
    front_end.known = replace(TRACE, processes=(), steps=())
    html = superuser.get("/trace", {"q": "71"}).content.decode()
    assert "Nobody remembers any of its steps." in html
    assert "bz-space-time" not in html


def test_nothing_is_asked_without_a_question(superuser: Client, front_end: FakeFrontEnd) -> None:
    assert superuser.get("/trace").status_code == 200
    assert front_end.trace_of is None


@pytest.mark.parametrize("fails", [False, True])
def test_a_trade_is_placed_and_watched_whatever_comes_of_it(
    admin: Client, front_end: FakeFrontEnd, *, fails: bool
) -> None:
    front_end.fails = fails
    reply = admin.post("/trace/trade", TRADE)
    assert (reply.status_code, reply["location"]) == (302, f"/trace?q={front_end.key}")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("trade", "buy 2 3M")


def test_a_trade_that_is_none_is_not_followed(admin: Client, front_end: FakeFrontEnd) -> None:
    assert admin.post("/trace/trade", {**TRADE, "quantity": 0})["location"] == "/trace"
    assert front_end.key is None


def test_the_form_is_for_those_who_may_trade(superuser: Client, front_end: FakeFrontEnd) -> None:
    assert 'id="watch"' in superuser.get("/trace").content.decode()
    User.objects.update(is_superuser=False)
    assert 'id="watch"' not in superuser.get("/trace").content.decode()
