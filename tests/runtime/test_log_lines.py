"""A log line: one event, fields that parse, the ids of its request; and not too many of them."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest

from bazaar.protocol import tracing
from bazaar.protocol.tracing import Span, read_headers
from bazaar.runtime import log_lines
from bazaar.runtime.log_lines import (
    INTERVAL_S,
    KINDS_MAX,
    LINES_MAX,
    TEXT_CHARS_MAX,
    TRACEBACKS_MAX,
    LineLimiter,
    get_log,
    make_formatter,
    make_line,
)

NAME = "tests.lines"
LOG, FOREIGN = get_log(NAME), logging.getLogger(NAME)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FORGED = "no\n2026-01-01T00:00:00.000Z ERROR bazaar.order ledger lost\r\x1b[31m"


class FakeClock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


Written = Callable[[], list[str]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limiter(clock: FakeClock) -> LineLimiter:
    return LineLimiter(clock)


@pytest.fixture(params=["text", "json"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(style: str, limiter: LineLimiter) -> Iterator[Written]:
    """Return what is written at NAME, and by the limiter itself, line by line."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter(style, lambda: {"role": "order", "id": 2}))
    handler.addFilter(limiter)
    loggers = [FOREIGN, logging.getLogger("bazaar.runtime.log_lines")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield lambda: stream.getvalue().splitlines()
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


json_only = pytest.mark.parametrize("style", ["json"], indirect=True)
text_only = pytest.mark.parametrize("style", ["text"], indirect=True)


def parse(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@json_only
def test_a_json_line_has_time_level_event_and_role(written: Written) -> None:
    LOG.warning("follower lost", replica=3, reason="it is silent")
    FOREIGN.error("pool is %s", "full")
    ours, theirs = parse(written())
    assert TIME.fullmatch(ours.pop("time"))
    assert ours == {
        "level": "warning",
        "event": "follower lost",
        "role": "order",
        "id": 2,
        "logger": NAME,
        "replica": 3,
        "reason": "it is silent",
    }
    assert (theirs["level"], theirs["event"], theirs["role"]) == ("error", "pool is full", "order")


@text_only
def test_a_text_line_is_a_phrase_and_fields_that_can_be_taken_apart(written: Written) -> None:
    LOG.info("log moved aside", aside="/a/b", reason='it is "damaged"', empty="")
    (line,) = written()
    time, _, rest = line.partition(" ")
    assert TIME.fullmatch(time)
    told = r'INFO tests.lines log moved aside aside=/a/b reason="it is \"damaged\"" empty=""'
    assert rest == told


def test_nobody_can_write_a_line_of_their_own(written: Written) -> None:
    LOG.info("refused", reason=FORGED)
    FOREIGN.info("refused %s", FORGED)
    lines = written()
    assert len(lines) == 2
    assert all(line.isprintable() and "ledger lost" in line for line in lines)


def test_a_long_text_is_cut(written: Written) -> None:
    LOG.info("refused", reason="x" * 100_000)
    FOREIGN.info("y" * 100_000)
    assert all(len(line) < TEXT_CHARS_MAX + 300 for line in written())


@json_only
def test_a_traceback_is_a_field(written: Written) -> None:
    def fail() -> None:
        raise ValueError("of ours")

    for log in (LOG, FOREIGN):
        try:
            fail()
        except ValueError:
            log.exception("call broke")
    for line in parse(written()):
        assert line["event"] == "call broke"
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("ValueError: of ours")


@json_only
def test_a_line_of_a_request_has_its_ids_and_what_is_known(written: Written) -> None:
    span = Span("POST /orders", read_headers(None, "from-a-client"))
    with span:
        tracing.note(key="k", term=3, order_no=7, replica=2)
        LOG.info("refused", term=4)
    LOG.info("serving")
    of_request, other = parse(written())
    assert of_request["request_id"] == "from-a-client"
    assert of_request["trace_id"] == span.context.trace_id
    assert (of_request["key"], of_request["order_no"]) == ("k", 7)
    assert of_request["term"] == 4, "what the line itself says counts"
    assert "replica" not in of_request
    assert not {"request_id", "trace_id", "key", "term", "order_no"} & set(other)


@json_only
def test_a_field_cannot_take_the_place_of_what_each_line_has(written: Written) -> None:
    LOG.info("round failed", role="x", time="y", id=9)
    (line,) = parse(written())
    assert (line["role"], line["id"]) == ("order", 2)
    assert (line["role_"], line["time_"], line["id_"]) == ("x", "y", 9)


@json_only
def test_many_lines_of_one_kind_are_counted(written: Written, clock: FakeClock) -> None:
    for number in range(1000):
        LOG.info("refused", number=number)
    LOG.info("elected")
    assert [line["event"] for line in parse(written())] == ["refused"] * LINES_MAX + ["elected"]
    clock.now_s += INTERVAL_S
    LOG.info("refused", number=1000)
    assert parse(written())[-1]["left_out"] == 1000 - LINES_MAX


@json_only
def test_the_rest_is_said_when_the_interval_is_over(
    written: Written, limiter: LineLimiter, clock: FakeClock
) -> None:
    for _ in range(LINES_MAX + 7):
        LOG.info("refused")
    limiter.flush()
    assert len(written()) == LINES_MAX
    clock.now_s += INTERVAL_S
    limiter.flush()
    limiter.flush()
    (line,) = parse(written()[LINES_MAX:])
    assert (line["event"], line["phrase"], line["left_out"]) == ("lines left out", "refused", 7)


def test_tracebacks_are_fewer(written: Written) -> None:
    for _ in range(50):
        FOREIGN.error("call broke", exc_info=ValueError("ours"))
    assert sum("call broke" in line for line in written()) == TRACEBACKS_MAX


def test_kinds_that_are_made_up_share_one_count(written: Written) -> None:
    for number in range(KINDS_MAX + 1000):
        FOREIGN.info(f"made up {number}")
    assert len(written()) <= KINDS_MAX + LINES_MAX


@json_only
def test_what_nobody_catches_is_one_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError("of ours")
    monkeypatch.setattr(sys, "excepthook", log_lines._note_exception)
    sys.excepthook(ValueError, error, None)
    (line,) = parse(written())
    assert (line["level"], line["event"]) == ("critical", "uncaught")
    assert line["exception"].endswith("ValueError: of ours")


def test_a_sentence_before_there_is_a_log() -> None:
    assert make_line("text", "BAZAAR_X is wrong.", role="order") == "BAZAAR_X is wrong."
    line = json.loads(make_line("json", "BAZAAR_X is\nwrong.", role="order"))
    assert (line["event"], line["role"]) == ("BAZAAR_X is\nwrong.", "order")
    assert line["level"] == "error"
