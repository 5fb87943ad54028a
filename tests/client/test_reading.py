"""What comes from a front end is read word for word, and nothing else passes for an answer."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.client.answers import BadAnswer, ClientError, Indefinite, NoAnswer, OrderAnswer, Refused
from bazaar.client.client_dialects import SEED
from bazaar.client.reading import (
    MESSAGE_CHARS_MAX,
    RETRY_AFTER_S,
    read_leadership,
    read_order,
    read_placed,
    read_stock,
)
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.http1 import Reply
from frontend_app.entries import Source
from frontend_app.headers import CACHE_NAME, STALE_WARNING
from tests.client.answers import KEY, placed, refusal, reply, shown_stock

FOUND = {"order_no": 5, "stock_name": "3M", "trade_type": "buy", "quantity": 2}
TRADE = Trade(KEY, "3M", TradeType.BUY, 2)
TEXTS = st.text('a1"\\\n\u0661', max_size=5)
READERS: list[Callable[[Reply], object]] = [
    lambda answer: read_stock(SEED, "3M", answer),
    lambda answer: read_order(SEED, 5, answer),
    lambda answer: read_placed(SEED, TRADE, answer),
    lambda answer: read_leadership(SEED, answer),
]
WORDS = {
    Source.HIT: "hit",
    Source.STORED: "miss",
    Source.MISS: "miss",
    Source.COLLAPSED: "shared",
    Source.REQUEST: "request",
    Source.BYPASS: "bypass",
    Source.STALE: "stale",
}


def place(answer: Reply) -> OrderAnswer:
    return read_placed(SEED, TRADE, answer)


def test_a_stock_is_read_with_its_price_to_the_last_digit() -> None:
    body = b'{"stock_name":"3M","price":178.960,"trade_volume":4,"quantity":9,"more":[]}'
    headers = {"etag": '"12"', "age": "3", "cache-status": "bazaar; hit"}
    stock = read_stock(SEED, "3M", Reply(200, headers, body))
    assert (stock.name, str(stock.price), stock.quantity) == ("3M", "178.960", 9)
    assert (stock.trade_volume, stock.version, stock.age_s) == (4, 12, 3)
    assert (stock.is_stale, stock.cache) == (False, "hit")
    assert isinstance(stock.price, Decimal)


@pytest.mark.parametrize("source", Source)
def test_every_source_of_a_front_end_has_a_word(source: Source) -> None:
    assert (
        read_stock(SEED, "3M", shown_stock(cache_status=f"{CACHE_NAME}; {source}")).cache
        == (WORDS[source])
    )


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("proxy; fwd=miss, bazaar; hit", "hit"),
        ("proxy; hit", "unknown"),
        (None, "unknown"),
        ("bazaar; of old", "unknown"),
    ],
)
def test_another_cache_on_the_way_is_not_taken_for_ours(status: str | None, word: str) -> None:
    assert read_stock(SEED, "3M", shown_stock(cache_status=status)).cache == word


@pytest.mark.parametrize("changes", [{"warning": STALE_WARNING}, {"stale": True}])
def test_a_stale_answer_says_so(changes: dict[str, Any]) -> None:
    assert read_stock(SEED, "3M", shown_stock(**changes)).is_stale


@pytest.mark.parametrize(
    "changes",
    [
        {"etag": None},
        {"etag": "7"},
        {"etag": '"seven"'},
        {"etag": '"7", "8"'},
        {"stock_name": "Apple"},
        {"quantity": -1},
        {"quantity": "9"},
        {"trade_volume": None},
        {"price": "NaN"},
        {"price": None},
    ],
)
def test_a_stock_that_is_none_is_a_bad_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_stock(SEED, "3M", shown_stock(**changes))
    assert caught.value.status == 200


def test_a_weak_tag_names_the_version_too() -> None:
    assert read_stock(SEED, "3M", shown_stock(etag='W/"41"')).version == 41


def test_an_order_is_read_and_held_against_its_number() -> None:
    assert read_order(SEED, 5, reply({"data": FOUND})) == OrderAnswer(5, "3M", TradeType.BUY, 2)
    with pytest.raises(BadAnswer, match="order 5, asked was 6"):
        read_order(SEED, 6, reply({"data": FOUND}))


def test_a_placed_order_is_held_against_its_key() -> None:
    assert place(placed(8)) == OrderAnswer(8, "3M", TradeType.BUY, 2)
    with pytest.raises(BadAnswer) as caught:
        place(reply({"order_no": 8}, idempotency_key="another"))
    assert (caught.value.key, caught.value.is_definite) == (str(KEY), False)


@pytest.mark.parametrize("number", [0, -1, True, "8", 1.5, None])
def test_an_order_number_that_is_none_is_a_bad_answer(number: object) -> None:
    with pytest.raises(BadAnswer):
        place(reply({"order_no": number}))


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_a_definite_refusal_says_why_and_is_not_worth_repeating(status: int) -> None:
    with pytest.raises(Refused, match=rf"It is {status}\.") as caught:
        place(refusal(status, "overstock"))
    error = caught.value
    assert (error.status, error.failure, error.key) == (status, "overstock", str(KEY))
    assert (error.is_definite, error.retry_s) == (True, None)


@pytest.mark.parametrize(
    ("status", "definite", "kind"),
    [
        (429, "true", Refused),
        (429, None, Refused),
        (503, "true", Refused),
        (503, "false", Indefinite),
        (500, "false", Indefinite),
        (502, None, Indefinite),
        (504, None, Indefinite),
    ],
)
def test_a_trade_that_may_have_happened_is_never_called_refused(
    status: int, definite: str | None, kind: type[ClientError]
) -> None:
    with pytest.raises(ClientError) as caught:
        place(refusal(status, definite=definite, retry_after="4"))
    assert type(caught.value) is kind
    assert (caught.value.retry_s, caught.value.key) == (4.0, str(KEY))


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "Wed, 21 Oct 2026 07:28:00 GMT", "1e3"])
def test_a_retry_after_that_says_nothing_means_a_second(text: str) -> None:
    with pytest.raises(ClientError) as caught:
        place(refusal(503, retry_after=text))
    assert caught.value.retry_s == RETRY_AFTER_S


def test_a_read_that_nobody_could_answer_is_unreachable() -> None:
    with pytest.raises(NoAnswer) as caught:
        read_stock(SEED, "3M", refusal(503, "unreachable", definite="false"))
    assert (caught.value.status, caught.value.key) == (503, "")


@pytest.mark.parametrize("status", [204, 301, 302, 304, 404])
def test_what_no_front_end_says_is_a_bad_answer(status: int) -> None:
    """Another server listens there: a 404 of its own must not pass for a stock that is not."""
    for read in READERS:
        with pytest.raises(BadAnswer, match=f"{status}"):
            read(Reply(status, {"content-type": "text/html"}, b"<h1>Hello</h1>"))


@given(body=st.binary(max_size=200), status=st.sampled_from([200, 400, 404, 429, 500, 503]))
def test_no_bytes_are_more_than_a_bad_answer(body: bytes, status: int) -> None:
    for read in READERS:
        with pytest.raises(ClientError) as caught:
            read(Reply(status, {}, body))
        assert "\n" not in caught.value.message


@given(
    value=st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, st.lists, max_leaves=5)
)
def test_no_json_is_more_than_a_bad_answer(value: object) -> None:
    for read in READERS:
        with pytest.raises(BadAnswer):
            read(Reply(200, {"etag": '"1"'}, json.dumps(value).encode()))


def test_the_words_of_an_unknown_server_fit_on_one_line() -> None:
    text = "a\x1b[2J\n" + "x" * 10_000
    with pytest.raises(Refused) as caught:
        place(reply({"message": text}, 400, bazaar_definite="true"))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) <= MESSAGE_CHARS_MAX
