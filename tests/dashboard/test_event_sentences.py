"""Each event is a sentence, made of the fields that it has."""

import ast
import string
from collections.abc import Iterator

import pytest

from bazaar.protocol.statuses import Event
from dashboard.event_sentences import SENTENCES, describe_event
from order_app.replica import _PHRASES
from tests.architecture.sources import list_product

NOTICED = {"lost": {"name", "state"}, "back": {"name"}, "restarted": {"name"}}
"""The events that the dashboard notices by itself, with their fields."""
SAID_OF_ALL = {"source", "time"}
EMITTERS = ("emit", "_emit")


def list_emitted() -> Iterator[tuple[str, set[str]]]:
    """Yield phrase and fields of every event that some process emits."""
    for source in list_product():
        for node in source.nodes:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in EMITTERS:
                phrases = [one.value for one in node.args if isinstance(one, ast.Constant)]
                fields = {one.arg for one in node.keywords if one.arg}
                yield from ((str(phrase), fields) for phrase in phrases)


def emitted() -> dict[str, set[str]]:
    """Return the fields of each phrase, of all places where it is emitted."""
    found = {phrase: {"term", "leader"} for phrase in [*_PHRASES.values(), "stepped down"]}
    for phrase, fields in [*list_emitted(), *NOTICED.items()]:
        found.setdefault(phrase, set()).update(fields)
    for phrase in ("follower in sync", "follower lost", "follower differs"):
        found[phrase].add("replica")  # `Replicator._emit` adds it
    found["refused"] |= {"kind", "times"}
    return found


def test_every_event_has_a_sentence_and_no_sentence_is_left_over() -> None:
    assert set(emitted()) == set(SENTENCES)


def test_a_sentence_says_only_what_its_event_has() -> None:
    for phrase, fields in emitted().items():
        named = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[phrase]) if name}
        assert named <= fields | SAID_OF_ALL, phrase


@pytest.mark.parametrize(
    ("source", "phrase", "fields", "sentence"),
    [
        (
            *("order-2", "leading", {"term": 2, "leader": 2}),
            "Replica 2 leads since 07:53:28, term 2.",
        ),
        (
            *("catalog", "deciding", {"last": 12345, "position": 12355}),
            "The catalog decides trades; its newest order is 12,345.",
        ),
        (
            *("frontend-1", "leader known", {"term": 4, "leader": None}),
            "Front end 1 sends trades to no replica, term 4.",
        ),
        (
            *("frontend-1", "refused", {"kind": "not_a_member", "times": 1}),
            "Front end 1 refused a request once: not a member.",
        ),
        (
            *("worker-40123", "refused", {"kind": "busy", "times": 1200}),
            "Front-end worker 40123 refused a request 1,200 times: busy.",
        ),
        (
            *("order-1", "catalog out of reach", {"reason": "127.0.0.1:10002 did not answer."}),
            "Replica 1 does not reach the catalog: 127.0.0.1:10002 did not answer.",
        ),
        (
            *("order-1", "log damaged", {"at": "order 7"}),
            "Replica 1 found damage in its log, and stays out: order 7.",
        ),
        ("order-1", "of a later version", {"term": 3}, "Replica 1: of a later version."),
        (
            *("dashboard", "lost", {"name": "order-3", "state": "not running"}),
            "Replica 3 does not answer: it is not running.",
        ),
    ],
)
def test_what_happened_is_said_in_plain_words(
    source: str, phrase: str, fields: dict[str, str | int | float | None], sentence: str
) -> None:
    event = Event(no=1, at_s=7 * 3600 + 53 * 60 + 28.9, phrase=phrase, fields=fields)
    assert describe_event(source, event) == sentence


def test_a_damaged_or_missing_field_is_no_failure() -> None:
    for phrase in SENTENCES:
        assert describe_event("catalog", Event(no=1, at_s=0.0, phrase=phrase)).endswith(".")
    event = Event(no=1, at_s=0.0, phrase="refused", fields={"times": "x{}", "kind": "{a}"})
    assert describe_event("catalog", event) == "The catalog refused a request x{} times: {a}."
