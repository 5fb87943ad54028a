"""Forms are made of messages, and what is entered becomes the request that was meant."""

import json
from typing import Any

import msgspec
import pytest

from bazaar.protocol import cache_messages, endpoints, examples, leadership_messages, messages
from bazaar.protocol.endpoints import FieldBody, MethodBody, fields_of, fill

EXAMPLES = [value for value in vars(examples).values() if isinstance(value, msgspec.Struct)]


def post(*fields: FieldBody) -> MethodBody:
    return MethodBody(method="POST", changes=True, fields=fields)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: type(one).__name__)
def test_an_example_that_is_sent_as_it_is_arrives_as_it_is(example: msgspec.Struct) -> None:
    fields = fields_of(example, "body")
    filled = fill(post(*fields), {one.name: one.example for one in fields})
    assert msgspec.json.decode(filled.body, type=type(example)) == example


def test_there_is_an_example_of_every_message_that_is_sent() -> None:
    assert {type(one) for one in EXAMPLES} >= {
        *(cache_messages.ReadBody, messages.BatchBody, messages.PriceBody),
        leadership_messages.NoticeBody,
        *(
            cache_messages.HolderBody,
            messages.TradesBody,
            messages.AppendBody,
            cache_messages.InvalidateBody,
        ),
    }


def test_a_field_says_what_may_be_entered() -> None:
    id_, host, port = fields_of(examples.HOLD, "body")
    assert (port.kind, port.minimum, port.maximum) == ("number", 1, 65535)
    assert (port.example, port.hint) == ("30002", "a whole number from 1 to 65535")
    assert (id_.kind, id_.hint, host.example) == ("text", "a UUID", "127.0.0.1")


def test_a_message_that_nests_is_one_field_of_json() -> None:
    (body,) = fields_of(examples.BATCH, "body")
    assert (body.name, body.kind) == (endpoints.BODY, "json")
    assert json.loads(body.example)["trades"][0]["stock_name"] == examples.STOCK


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7", 7), ("-7", -7), ("0.25", 0.25), ("007", "007"), ("1e9", "1e9"), ("", "")),
        *(("NaN", "NaN"), ("7,", "7,"), ('"}', '"}'), ("9" * 31, "9" * 31), ("\ud800", "?")),
    ],
)
def test_a_number_is_sent_as_one_and_the_rest_as_text(text: str, value: Any) -> None:
    field = FieldBody(name="n", part="body", kind="number")
    assert json.loads(fill(post(field), {"n": text}).body) == {"n": value}


def test_only_what_is_asked_for_is_sent() -> None:
    fields = (FieldBody(name="a", part="query"), FieldBody(name="b", part="body"))
    filled = fill(post(*fields), {"a": "1&c=2", "b": "x", "d": "y", "csrfmiddlewaretoken": "z"})
    assert filled.query == "a=1%26c%3D2"
    assert json.loads(filled.body) == {"b": "x"}
    assert filled.headers == {}


def test_what_was_not_entered_is_left_out_and_what_is_empty_is_sent() -> None:
    fields = (FieldBody(name="a", part="body"), FieldBody(name="b", part="body"))
    assert json.loads(fill(post(*fields), {"b": ""}).body) == {"b": ""}
    json_field = FieldBody(name="body", part="body", kind="json")
    assert fill(post(json_field), {}).body == b"{}"


def test_a_header_stays_one_line() -> None:
    field = FieldBody(name="Idempotency-Key", part="header", is_required=False)
    filled = fill(post(field), {"Idempotency-Key": "a\r\nAuthorization: b\u2028" + "c" * 999})
    assert filled.headers["Idempotency-Key"].startswith("a??Authorization: b?c")
    assert len(filled.headers["Idempotency-Key"]) == endpoints.HEADER_CHARS_MAX
    assert fill(post(field), {"Idempotency-Key": ""}).headers == {}
