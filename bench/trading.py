"""
Trades and nothing else: `python -m bench.trading < SPEC`.

The generator's clients look a stock up before each trade. Here every client trades at once again
when its last trade has ended: buys a share and sells it, so no stock ever runs out. Each trade has
a key of its own, which the baseline ignores.
"""

import gc
import os
import random
import subprocess
import sys
from collections import Counter

import msgspec
import uvloop

from bazaar import clock
from bazaar.client.client_dialects import CLIENT_DIALECTS, SEED
from bazaar.core.types import Trade, TradeType
from bazaar.loadtest.engine import Engine
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.scripts import Claim
from bazaar.loadtest.summary import quantile
from bazaar.loadtest.worker import SWITCH_S, open_output
from bazaar.loadtest.workload import Answer, Operation, make_keys, trade
from bazaar.proof.records import Done
from bazaar.settings import env

STOCKS = ("GameStart", "BoarCo", "RottenFishCo", "CaesarTech", "Reneium")
"""Of the small set, those of which 32 clients can hold a share each with plenty left."""
HEAD_START_S = 0.05
DEADLINE_S = 12.0
EXTRA_TIMEOUT_S = 30.0
KEY_BITS = 48


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent."""

    url: str
    clients: int
    seconds: float
    warmup_s: float = 0.5
    stocks: tuple[str, ...] = STOCKS
    dialect: str = SEED.name
    """Of `CLIENT_DIALECTS`."""
    ca_path: str | None = None
    """Whom to trust at an https:// address."""


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it; times in seconds, of trades that ended after the warm-up."""

    begun_s: float
    """Second 0 of `ended_s`, on the monotonic clock."""
    seconds: float
    ended_s: tuple[float, ...]
    took_s: tuple[float, ...]
    errors: int = 0
    """Anything but an acknowledged trade."""

    @property
    def rate(self) -> float:
        """Acknowledged trades a second."""
        return len(self.took_s) / self.seconds

    def quantile_ms(self, part: float) -> float:
        """Return the latency that a part of all trades do not exceed."""
        return quantile(Counter(self.took_s), part) * 1000


class Trades:
    """The script: every client trades until the time is over; no share is kept."""

    def __init__(self, spec: Spec) -> None:
        chance = random.SystemRandom()
        prefix = chance.getrandbits(KEY_BITS)
        self._end_s = spec.warmup_s + spec.seconds
        self._keys = [make_keys(prefix, client) for client in range(spec.clients)]
        self._names = [chance.choice(spec.stocks) for _ in range(spec.clients)]
        self._counts = [0] * spec.clients
        self._stocks, self._chance = spec.stocks, chance
        self._dialect = CLIENT_DIALECTS[spec.dialect]

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next trade of a free client; in the end each sells what it has."""
        is_buying = self._counts[client] % 2 == 0
        if is_buying and now_s >= self._end_s:
            return None
        if is_buying:
            self._names[client] = self._chance.choice(self._stocks)
        self._counts[client] += 1
        side = TradeType.BUY if is_buying else TradeType.SELL
        wanted = Trade(next(self._keys[client]), self._names[client], side, 1)
        return now_s, trade(self._dialect, wanted)

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Nothing depends on what came of it."""

    def count_unsent(self) -> int:
        """Nothing is due at a set time."""
        return 0


def run(spec: Spec) -> Traded:
    """Send the trades from a process of its own. Raises SystemExit."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.trading"],
        input=msgspec.json.encode(spec),
        stdout=subprocess.PIPE,
        cwd=env.ROOT,
        env=dict(os.environ),
        timeout=spec.warmup_s + spec.seconds + EXTRA_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit("The trades could not be sent.")
    return msgspec.json.decode(done.stdout, type=Traded)


async def _play(spec: Spec) -> Traded:
    found: list[tuple[float, float]] = []
    errors: list[str] = []

    def note(done: Done, end_s: float) -> None:
        if not spec.warmup_s <= end_s <= spec.warmup_s + spec.seconds:
            return
        if done.outcome == "ok":  # whenever it began: slow servers are not to seem slower
            found.append((end_s, end_s - done.intended_s))
        else:
            errors.append(done.outcome)

    engine = Engine(_plan(spec), Trades(spec), note)
    gc.freeze()
    origin_s = clock.monotonic_s() + HEAD_START_S
    await engine.run(range(spec.clients), origin_s)
    return Traded(
        begun_s=origin_s,
        seconds=spec.seconds,
        ended_s=tuple(end_s for end_s, _ in found),
        took_s=tuple(took_s for _, took_s in found),
        errors=len(errors),
    )


def _plan(spec: Spec) -> Plan:
    return Plan(
        urls=(spec.url,),
        profile="bench",
        clients=spec.clients,
        duration_s=spec.seconds,
        warmup_s=spec.warmup_s,
        p=1.0,
        deadline_s=DEADLINE_S,
        ca_path=spec.ca_path,
    )


def main() -> int:
    """Read the specification, do it, and print the result."""
    sys.setswitchinterval(SWITCH_S)
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    with open_output() as output:
        output.write(msgspec.json.encode(uvloop.run(_play(spec))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
