"""A catalog that is silent: readers do not wait for it in turn (I10)."""

import pytest

from bazaar.core.failures import Unreachable
from bazaar.runtime.waits import Waits
from bazaar.topology import Node
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK

NAME = STOCK.name


def test_no_reader_waits_while_one_renewal_after_another_fails(catalog: FakeCatalog) -> None:
    """I10: not even when the next renewal begins a little late; once one succeeds, all may ask."""
    now_s = [1000.0]

    class SetWaits(Waits):
        def now_s(self) -> float:
            return now_s[0]

    reader = StockReader(catalog, Node(port=1, control_port=2), LIMITS, SetWaits())
    reader.keep_lease()
    reader.read(NAME)
    now_s[0] += LIMITS.lease_s
    catalog.failure = Unreachable("silent")
    with pytest.raises(Unreachable):
        reader.keep_lease()
    asked = len(catalog.asked)
    now_s[0] += LIMITS.renewal_s + LIMITS.ping_timeout_s + 0.1
    assert reader.read(NAME).is_stale
    assert len(catalog.asked) == asked
    catalog.failure = None
    reader.keep_lease()
    reader.remove(NAME)
    assert reader.read(NAME).entry.version == 1
