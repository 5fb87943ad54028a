"""What a front end has in memory, listed for its status."""

import sys
from dataclasses import replace
from itertools import cycle
from types import FrameType
from typing import Any

from bazaar.clock import monotonic_s
from frontend_app.stocks import StockReader
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK


def test_memory_is_listed_while_it_is_used(reader: StockReader, catalog: FakeCatalog) -> None:
    """A hit takes no lock, and changes which stock was used last: here between any two steps."""
    names = [f"{number} Co" for number in range(3)]
    for name in names:
        catalog.stocks[name] = replace(STOCK, name=name)
        reader.read(name)
    uses = cycle(names)

    def use(frame: FrameType, _event: str, _arg: Any) -> Any:
        if frame.f_code is StockReader.contents.__code__:
            frame.f_trace_opcodes = True
            reader.hit(next(uses), monotonic_s())
            return use
        return None

    before = sys.gettrace()
    sys.settrace(use)
    try:
        listed = reader.contents()
    finally:
        sys.settrace(before)
    assert {entry.stock_name for entry in listed} == set(names)
