"""Failures become answers the same way everywhere: status, words, headers."""

import json
import sqlite3
from typing import Any

import msgspec
import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, IntegrityError, OperationalError
from django.http import Http404
from rest_framework import exceptions

from bazaar.core.failures import (
    Busy,
    Deposed,
    Failure,
    GapFound,
    NotServing,
    StaleTerm,
    UnknownStock,
    Unreachable,
)
from bazaar.core.types import Position, ReplicaId, Term
from bazaar.protocol.errors import KINDS
from bazaar.protocol.http1 import Reply
from bazaar.runtime.metrics import events
from bazaar.web.page_errors import answer_failure
from frontend_app import wiring
from tests.support.listeners import Listener

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def answer_to(error: Exception) -> tuple[int, str, dict[str, str]]:
    """Return status, message and headers of the answer to what a view raised."""
    response = answer_failure(error, {})
    assert response is not None
    body: Any = response.data
    assert body["error"]["code"] == response.status_code
    return response.status_code, body["error"]["message"], dict(response.headers)


class Reader:
    """The front end's stocks, which always raise."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def hit(self, stock_name: str, now_s: float) -> None:
        return None

    def read(self, stock_name: str, *, is_fresh: bool) -> None:
        raise self.error


def ask(monkeypatch: pytest.MonkeyPatch, error: Exception, **headers: str) -> Reply:
    """Read a stock while `error` happens inside."""
    monkeypatch.setattr(wiring, "stocks", lambda: Reader(error))
    return Listener("bazaar.urls.frontend").call("GET", "/stocks?stock_name=x", b"", headers)


@pytest.mark.parametrize("failure", [UnknownStock(), StaleTerm(Term(3), None), Busy(), Deposed()])
def test_a_failure_says_what_it_is_and_whether_it_is_definite(failure: Failure) -> None:
    """I9."""
    status, message, headers = answer_to(failure)
    (kind,) = (kind for kind in KINDS if kind.failure is type(failure))
    assert (status, message) == (kind.status, failure.message)
    assert headers["Bazaar-Failure"] == kind.name
    assert headers["Bazaar-Definite"] == ("true" if failure.is_definite else "false")


@pytest.mark.parametrize("failure", [Busy(), NotServing(), Unreachable()])
def test_who_may_come_back_is_told_when(failure: Failure) -> None:
    assert answer_to(failure)[2]["Retry-After"] == "1"


def test_a_definite_refusal_does_not_ask_for_a_retry() -> None:
    assert "Retry-After" not in answer_to(UnknownStock())[2]


def test_a_fenced_caller_gets_the_current_leadership() -> None:
    headers = answer_to(StaleTerm(Term(7), ReplicaId(3)))[2]
    assert (headers["Bazaar-Term"], headers["Bazaar-Leader"]) == ("7", "3")


def test_who_has_a_gap_is_told_where_the_log_ends() -> None:
    assert answer_to(GapFound(Position(41)))[2]["Bazaar-Last"] == "41"


@pytest.mark.parametrize("kind", [DatabaseError, OperationalError, IntegrityError])
def test_a_database_that_fails_is_an_indefinite_503(kind: type[Exception]) -> None:
    status, message, headers = answer_to(kind("disk full"))
    assert (status, message) == (503, "The database failed: disk full")
    assert (headers["Bazaar-Definite"], headers["Retry-After"]) == ("false", "1")


def test_a_disk_that_fails_is_named_and_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """I9, I10: nobody calls it damage, and the log does not fill a disk that is full."""
    error = OperationalError("database or disk is full")
    error.__cause__ = cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    monkeypatch.setattr(events, "_wall_s", lambda: 0.0)  # however long it takes
    before = len([event for event in events.snapshot() if "storage_failed" in str(event.fields)])
    for _ in range(5):
        status, message, headers = answer_to(error)
        assert (status, headers["Bazaar-Failure"]) == (503, "storage_failed")
        assert "cannot use its database now (database or disk is full)" in message
        assert (headers["Bazaar-Definite"], headers["Retry-After"]) == ("false", "1")
    noted = [event for event in events.snapshot() if "storage_failed" in str(event.fields)]
    assert len(noted) <= before + 1
    assert noted[-1].fields["reason"], "an operator reads why"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Http404(), 404, "There is nothing here."),
        (PermissionDenied(), 403, "This is not allowed."),
        (BadRequest("no"), 400, "no"),
        (SuspiciousOperation(), 400, "The request is malformed."),
        (exceptions.ParseError("The body is not JSON."), 400, "The body is not JSON."),
        (exceptions.ValidationError({"a": ["b.", "c."]}), 400, "a: b. c."),
        (exceptions.ValidationError({"non_field_errors": ["b."]}), 400, "b."),
        (exceptions.ValidationError(["b.", {"c": ["d."]}]), 400, "b. c: d."),
    ],
)
def test_an_error_of_the_framework_has_the_same_shape(
    error: Exception, status: int, message: str
) -> None:
    assert answer_to(error)[:2] == (status, message)
    assert answer_to(error)[2]["Bazaar-Definite"] == "true"


def test_our_own_mistake_is_no_answer_of_a_view() -> None:
    assert answer_failure(ZeroDivisionError(), {}) is None


@pytest.mark.django_db
def test_our_own_mistake_is_an_indefinite_500_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = ask(monkeypatch, ZeroDivisionError("secret detail"))
    assert reply.status == 500
    assert reply.headers["bazaar-definite"] == "false"
    assert json.loads(reply.body)["error"]["code"] == 500
    assert b"secret detail" not in reply.body


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", "application/xml", "x"])
def test_programs_get_json_whatever_they_accept(
    monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    reply = ask(monkeypatch, UnknownStock(), Accept=accept)
    assert reply.headers["content-type"] == "application/json"
    assert json.loads(reply.body)["error"] == {"code": 404, "message": "Stock not found"}


def test_a_browser_gets_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = ask(monkeypatch, UnknownStock(), **HTML)
    assert reply.status == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert b"Stock not found" in reply.body


@pytest.mark.parametrize("headers", [{}, HTML])
def test_every_answer_says_how_long_it_is(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    reply = ask(monkeypatch, UnknownStock(), **headers)
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_answered_in_json(method: str) -> None:
    reply = Listener("bazaar.urls.frontend").call(method, "/nope")
    assert (reply.status, json.loads(reply.body)) == (
        404,
        {"error": {"code": 404, "message": "There is no /nope here."}},
    )


def test_no_path_needs_a_trailing_slash_or_redirects_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wiring, "stocks", lambda: Reader(UnknownStock()))
    replies = [
        Listener("bazaar.urls.frontend").call("GET", f"{path}?stock_name=x")
        for path in ("/stocks", "/stocks/")
    ]
    assert replies[0] == replies[1]
    assert msgspec.json.decode(replies[0].body)["error"]["message"] == "Stock not found"
