"""A client that never rests: how long the bazaar keeps it waiting is what liveness means."""

from itertools import pairwise
from uuid import UUID

from bazaar.core.types import Trade, TradeType
from tests.sim.client import SimClient

REST_S = 0.03


class SimTrader(SimClient):
    """Buys one share, sells it again, and so on, each time through any front end."""

    def longest_wait_s(self, begin_s: float, end_s: float) -> float:
        """Return the longest time between two acknowledgements that touches a time span."""
        times_s = (0.0, *self.acknowledged_s, self.now_s)
        pairs_s = pairwise(times_s)
        return max(
            after - before for before, after in pairs_s if after > begin_s and before < end_s
        )

    def _pause(self) -> None:
        self.after(REST_S, self._act)

    def _act(self) -> None:
        key = UUID(int=self.network.rng.getrandbits(128))
        is_buy = len(self.acknowledged_s) % 2 == 0
        trade_type = TradeType.BUY if is_buy else TradeType.SELL
        self._want(Trade(key, "GameStart", trade_type, 1), is_only=True)
