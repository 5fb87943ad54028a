"""A trace in a terminal: who did what when, and what was never answered."""

import pytest
from django.core.management import CommandError, call_command
from msgspec.structs import replace

from bazaar.management.client.trace_picture import draw_trace
from tests.support.traces import TRACE, step


def test_the_picture_of_a_trade_that_was_sent_twice() -> None:
    assert [line.rstrip() for line in draw_trace(TRACE)] == [
        "order 7: placed, status 200 after 161.0 ms, key 6f1c2e9a-8d34-4b0f-9a57-1e2d3c4b5a69",
        "order-3 could not be asked: <refused>",
        "The clock of order-2 is 12.500 ms behind the first one; that is taken out.",
        "order-1 could not be asked: away",
        "",
        "       ms  frontend-1  order-3     order-2",
        "     0.00  ┏           │           │             text 1, 161.00 ms",
        "     0.00  ┏           │           │             text 2, 0.50 ms",
        "     1.00  ├───────────▶           │             text 3",
        "           ┃           │           │             ...",
        "   100.00  ✗           │           │             order-3: reset <by> peer",
        "           ┃           │           │             ...",
        "   150.00  ├───────────────────────▶             text 4",
        "   158.00  ┃           │           ■             text 5 (on disk)",
        "   160.00  ◀───────────────────────┤             answered after 10.00 ms",
        "   161.00  ●           │           │             text 6",
        "",
        "┏ begins  ┃ at work  ├▶ message  ● moment  ■ on disk  ✗ failed  ? not remembered",
    ]


def test_an_answer_whose_sender_is_gone_is_no_failure() -> None:
    """order-3 answered, and died later with all that it remembered."""
    sent = step(1, "message", "frontend-1", 1, 2, to="order-3", text="sends it")
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
