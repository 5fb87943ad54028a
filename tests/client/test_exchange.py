"""What is sent to a front end, and when it is sent again (I2, I9)."""

import json

import pytest

from bazaar.client.answers import BadAnswer, ClientError, Indefinite, NoAnswer, OrderAnswer, Refused
from bazaar.client.client_dialects import SEED
from bazaar.client.exchange import (
    PAUSE_S,
    PAUSE_S_MAX,
    Timeouts,
    build_leader_query,
    build_order_query,
    build_query,
    build_trade,
)
from bazaar.core.types import Trade, TradeType
from tests.client.answers import KEY, Driver, Fate, lost, placed, refusal, reply, shown_stock

TRADE = build_trade(SEED, Trade(KEY, "3M", TradeType.BUY, 2))
PLACED = placed(8)
ORDER = OrderAnswer(8, "3M", TradeType.BUY, 2)
UNSEEN, UNSENT = lost(was_sent=True), lost(was_sent=False)
MAYBE = refusal(503, "deposed", definite="false", retry_after="1")


def error_of(driver: Driver, limits: Timeouts | None = None, urls: int = 1) -> ClientError:
    with pytest.raises(ClientError) as caught:
        driver.ask(TRADE, limits, urls=urls)
    return caught.value


def test_a_trade_is_sent_as_the_protocol_says() -> None:
    request = TRADE.request
    assert (request.method, request.target) == ("POST", "/orders")
    assert dict(request.headers) == {
        "Content-Type": "application/json",
        "Idempotency-Key": str(KEY),
    }
    assert json.loads(request.body) == {"stock_name": "3M", "trade_type": "buy", "quantity": 2}


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("A. O. Smith", "A.%20O.%20Smith"),
        ("AT&T", "AT%26T"),
        ("100% +/#?", "100%25%20%2B%2F%23%3F"),
        ("L'Oréal", "L%27Or%C3%A9al"),
        ("a\r\nHost: b", "a%0D%0AHost%3A%20b"),
    ],
)
def test_a_name_arrives_as_it_is_whatever_is_in_it(name: str, encoded: str) -> None:
    assert build_query(SEED, name).request.target == f"/stocks?stock_name={encoded}"


def test_only_a_fresh_question_goes_past_the_cache() -> None:
    assert dict(build_query(SEED, "3M", is_fresh=True).request.headers) == {
        "Cache-Control": "no-cache"
    }
    assert build_query(SEED, "3M").request.headers == ()


def test_the_other_questions_are_sent_as_the_protocol_says() -> None:
    assert build_order_query(SEED, 12).request.target == "/orders?order_no=12"
    assert build_leader_query(SEED).request.target == "/leader"


@pytest.mark.parametrize("failed", [UNSEEN, UNSENT, MAYBE, refusal(429, "busy")])
def test_a_trade_is_repeated_word_for_word_until_it_is_answered(failed: Fate) -> None:
    """I2: the same key on every attempt, so that they are one trade."""
    driver = Driver([failed, failed, PLACED])
    assert driver.ask(TRADE) == ORDER
    assert [call.request for call in driver.calls] == [TRADE.request] * 3


def test_the_next_front_end_is_asked_at_once_when_one_fails() -> None:
    driver = Driver([UNSENT, UNSEEN, PLACED])
    assert driver.ask(TRADE, urls=3, first=1) == ORDER
    assert [call.url for call in driver.calls] == [1, 2, 0]
    assert driver.pauses == []


def test_after_a_round_of_failures_there_is_a_pause_that_grows_to_a_limit() -> None:
    driver = Driver([*[UNSENT] * 14, PLACED])
    assert driver.ask(TRADE, urls=2) == ORDER
    assert driver.pauses[:3] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]
    assert driver.pauses[-1] == PAUSE_S_MAX


def test_retry_after_is_honoured() -> None:
    driver = Driver([refusal(429, "busy", retry_after="3"), MAYBE, PLACED])
    assert driver.ask(TRADE, urls=2) == ORDER
    assert driver.pauses == [3.0, 1.0]
    assert [call.url for call in driver.calls] == [0, 1, 0]


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    driver = Driver([refusal(429, "busy", retry_after="60")])
    error = error_of(driver, Timeouts(deadline_s=10))
    assert (type(error), error.status, driver.pauses) == (Refused, 429, [])


@pytest.mark.parametrize("failed", [UNSENT, UNSEEN, MAYBE, refusal(503, "no_leader")])
@pytest.mark.parametrize("attempt_s", [0.0, 0.7])
def test_it_ends_at_the_deadline(failed: Fate, attempt_s: float) -> None:
    driver = Driver([failed], attempt_s=attempt_s)
    error_of(driver, Timeouts(deadline_s=8, silence_s=8), urls=2)
    assert 5 < driver.now_s - 100 <= 8 + attempt_s
    assert len(driver.calls) < 40


def test_the_last_attempt_may_not_outlast_the_deadline() -> None:
    driver = Driver([UNSEEN], attempt_s=3)
    error_of(driver, Timeouts(deadline_s=7, trade_s=4))
    assert [call.timeout_s for call in driver.calls] == pytest.approx([4, 3.9, 0.7], abs=0.01)


def test_nobody_there_is_known_sooner_than_the_deadline() -> None:
    driver = Driver([UNSENT])
    error = error_of(driver, Timeouts(deadline_s=60, silence_s=2))
    assert driver.now_s - 100 <= 2
    assert (type(error), error.is_definite, error.key) == (NoAnswer, True, str(KEY))


def test_somebody_there_is_given_the_whole_deadline() -> None:
    driver = Driver([MAYBE, UNSENT])
    error_of(driver, Timeouts(deadline_s=20, silence_s=2))
    assert driver.now_s - 100 > 15


@pytest.mark.parametrize("pending", [UNSEEN, MAYBE, reply(b"", 502)])
@pytest.mark.parametrize(
    "refused",
    [
        *(refusal(404, "insufficient_quantity"), refusal(503, "no_leader"), UNSENT),
        *(refusal(401, "token_refused"), refusal(403, "access_denied")),
    ],
)
def test_after_an_unseen_attempt_no_refusal_is_definite(pending: Fate, refused: Fate) -> None:
    """I9: the refusal speaks of the second request; the first may still be under way."""
    error = error_of(Driver([pending, refused]), Timeouts(deadline_s=3), urls=2)
    assert (type(error), error.key, error.is_definite) == (Indefinite, str(KEY), False)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refusal_of_the_body_holds_for_every_attempt(status: int) -> None:
    """I2: a key that belongs to another trade can never make this one."""
    error = error_of(Driver([UNSEEN, refusal(status)]))
    assert (type(error), error.status) == (Refused, status)


@pytest.mark.parametrize("harmless", [UNSENT, refusal(429, "busy"), refusal(503, "no_leader")])
def test_a_refusal_after_harmless_attempts_stays_definite(harmless: Fate) -> None:
    error = error_of(Driver([harmless, refusal(404, "overstock")]))
    assert (type(error), error.failure) == (Refused, "overstock")


def test_a_definite_refusal_is_not_repeated() -> None:
    driver = Driver([refusal(404, "overstock")])
    assert type(error_of(driver, urls=3)) is Refused
    assert len(driver.calls) == 1


def test_a_bad_answer_is_not_repeated_and_names_the_key() -> None:
    driver = Driver([reply(b"<html>")])
    error = error_of(driver, urls=3)
    assert (type(error), error.key, len(driver.calls)) == (BadAnswer, str(KEY), 1)


def test_a_read_is_repeated_and_has_nothing_indefinite() -> None:
    stock = build_query(SEED, "3M")
    assert Driver([UNSEEN, refusal(503, definite="false"), shown_stock()]).ask(stock).version == 7
    with pytest.raises(NoAnswer):
        Driver([UNSEEN]).ask(stock, Timeouts(deadline_s=2))
    with pytest.raises(Refused):
        Driver([UNSEEN, refusal(404, "unknown_stock")]).ask(stock)
