"""What is said of a trace in words."""

import pytest

from bazaar.protocol.traces import TraceProcess


@pytest.mark.parametrize(
    ("offset_ms", "says"),
    [
        (0.0, ""),
        (12.5, "The clock of order-2 is 12.500 ms ahead of the first one; that is taken out."),
        (-12.5, "The clock of order-2 is 12.500 ms behind the first one; that is taken out."),
    ],
)
def test_a_clock_that_is_off_is_ahead_or_behind(offset_ms: float, says: str) -> None:
    assert TraceProcess(name="order-2", offset_ms=offset_ms).clock_note == says
