"""A trace in a terminal: who did what when, and what was never answered."""

import pytest
from django.core.management import CommandError, call_command
from msgspec.structs import replace

from bazaar.management.client.trace_picture import draw_trace
from bazaar.protocol.traces import TraceProcess, TraceStep, TradeTrace


def step(
    kind: str, process: str, text: str, at_ms: float, end_ms: float, **more: object
) -> TraceStep:
    return TraceStep(
        no=1,
        kind=kind,  # type: ignore[arg-type]
        process=process,
        text=text,
        at_ms=at_ms,
        end_ms=end_ms,
        **more,  # type: ignore[arg-type]
    )


TRACE = TradeTrace(
    idempotency_key="6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69",
    order_no=7,
    outcome="status 200",
    began_s=1.0,
    took_ms=61.0,
    trace_ids=("t",),
    processes=(
        TraceProcess(name="frontend-1"),
        TraceProcess(name="order-3", reason="127.0.0.1:21003 did not answer: refused"),
        TraceProcess(name="order-2", offset_ms=-12.5),
        TraceProcess(name="order-1", reason="far away"),
    ),
    steps=(
        step("request", "frontend-1", "takes the trade", 0, 61),
        step("message", "frontend-1", "sends it", 1, 2, to="order-3", error="reset\nby peer"),
        step(
            *("message", "frontend-1", "sends it again", 50, 60),
            to="order-2",
            received_ms=51.0,
            answered_ms=59.0,
        ),
        step("moment", "order-2", "has it", 58, 58, is_durable=True),
    ),
)


def test_the_picture_of_a_trade_that_was_sent_twice() -> None:
    assert [line.rstrip() for line in draw_trace(TRACE)] == [
        "order 7: status 200 after 61.0 ms, key 6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69",
        "order-3 could not be asked: 127.0.0.1:21003 did not answer: refused",
        "order-2: its clock is 12.500 ms behind the first one; that is taken out",
        "order-1 could not be asked: far away",
        "",
        "       ms  frontend-1  order-3     order-2",
        "     0.00  ┏           │           │             takes the trade, 61.00 ms",
        "     1.00  ├───────────▶           │             sends it",
        "     2.00  ✗           │           │             order-3: reset by peer",
        "           ┃           │           │             ...",
        "    50.00  ├───────────────────────▶             sends it again",
        "    58.00  ┃           │           ■             has it (on disk)",
        "    60.00  ◀───────────────────────┤             answered after 10.00 ms",
        "",
        "┏ begins  ┃ at work  ├▶ message  ● moment  ■ on disk  ✗ failed  ? not remembered",
    ]


def test_an_answer_whose_sender_is_gone_is_no_failure() -> None:
    """order-3 answered, and died later with all that it remembered."""
    sent = step("message", "frontend-1", "sends it", 1, 2, to="order-3")
    lines = draw_trace(replace(TRACE, steps=(sent,)))
    assert (
        "     2.00  ?           │             order-3 answered; nobody remembers what it did"
        in lines
    )


def test_a_trace_without_steps_says_so() -> None:
    lines = draw_trace(replace(TRACE, processes=(), steps=()))
    assert lines[1:] == ["", "Nobody remembers any of its steps."]


@pytest.mark.parametrize("arguments", [(), ("7", "--key", TRACE.idempotency_key), ("0",), ("x",)])
def test_one_trade_must_be_named(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("client", "trace", *arguments, "--url", "http://127.0.0.1:9")
    assert caught.value.returncode == 2
