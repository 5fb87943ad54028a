"""Whatever a form holds: an answer that says what is wrong, and no traceback in the log."""

import logging
from io import StringIO

import pytest
from django.test import Client

from bazaar.web import errors
from tests.dashboard.conftest import Show

FORM = "application/x-www-form-urlencoded"
MANY = "&".join(f"f{number}=" for number in range(1001))
BODIES = (MANY, "stock_name=%ED%A0%80&trade_type=buy", "&" * 8000, "=%FF&%00=")
CSRF_COOKIE = "x" * 32


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_a_panel_refuses_any_form_without_reading_it(
    superuser: Client, show: Show, body: str, accept: str
) -> None:
    show()
    superuser.cookies["bazaar_csrf"] = CSRF_COOKIE
    reply = superuser.post("/api/orders?q=1", body, FORM, headers={"Accept": accept})
    assert reply.status_code == 405


@pytest.mark.parametrize("path", ["/stocks/trade", "/login/"])
def test_a_form_with_too_many_fields_is_told_so_and_not_logged(
    superuser: Client, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    superuser.cookies["bazaar_csrf"] = CSRF_COOKIE
    reply = superuser.post(path, MANY, FORM)
    assert reply.status_code == 400
    assert "DATA_UPLOAD_MAX_NUMBER_FIELDS" in reply.json()["error"]["message"]
    assert caplog.records == []


def test_a_mistake_of_ours_is_in_the_log_with_its_traceback(
    superuser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_() -> None:
        raise ZeroDivisionError

    handlers = logging.getLogger("django.request").handlers
    (handler,) = (one for one in handlers if one.name == "console")
    printed = StringIO()
    monkeypatch.setattr(handler, "stream", printed)
    monkeypatch.setattr("dashboard.wiring.collector", break_)
    reply = superuser.get("/")
    assert (reply.status_code, reply.json()["error"]["message"]) == (500, errors.MISTAKE.message)
    assert "Traceback" in printed.getvalue()
