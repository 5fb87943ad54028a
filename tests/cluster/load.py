"""A load on a cluster while a test breaks it: the clients of the load test, in a thread."""

import asyncio
import math
import secrets
import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.loadtest.engine import Engine
from bazaar.loadtest.plan import Plan, Share
from bazaar.loadtest.preflight import open_client, read_openings
from bazaar.loadtest.profiles import Weighted
from bazaar.loadtest.scripts import Claim, Script, make_script
from bazaar.loadtest.workload import Answer, Operation
from bazaar.proof.records import FORMAT, Done, Header, Record

STOCKS = ("GameStart", "BoarCo", "RottenFishCo", "MenhirCo", "CaesarTech", "Reneium")
UNTRADED = ("Goscinnyium", "PiloteCo", "DogmatixCo", "LutetiaTech")
"""What clients query that only query: a front end has it in memory all the time."""
DEADLINE_S = 30.0
HASTY_DEADLINE_S = 0.4
PROGRESS_TIMEOUT_S = 30.0
BEAT_S = 0.06
"""Between two operations of a client, unless the load is full."""


def make_plan(
    urls: Sequence[str], clients: int, shares: int, deadline_s: float = DEADLINE_S
) -> Plan:
    """Return a plan that trades after each query and has no end; shares: of the clients."""
    return Plan(
        urls=tuple(urls),
        profile="seed",
        stocks=_weigh(STOCKS),
        clients=clients,
        processes=shares,
        p=1.0,
        lookup=0.5,
        seed=secrets.randbits(31),
        deadline_s=deadline_s,
    )


def _weigh(names: Sequence[str]) -> tuple[Weighted, ...]:
    return tuple(Weighted(name, 1.0) for name in names)


class Beats:
    """A script whose free clients all begin at the next beat, side by side."""

    def __init__(self, script: Script) -> None:
        """script: what they do; it may be due at any time."""
        self._script = script

    def claim(self, client: int, now_s: float) -> Claim | None:
        """Return the next operation, due at the next beat; None: there is none any more."""
        claim = self._script.claim(client, now_s)
        return claim and ((now_s // BEAT_S + 1) * BEAT_S, claim[1])

    def learn(self, client: int, answer: Answer | None, operation: Operation) -> None:
        """Take in the result of an operation."""
        self._script.learn(client, answer, operation)

    def count_unsent(self) -> int:
        """Return how many operations were due and never claimed."""
        return self._script.count_unsent()


class Load:
    """
    Clients that query, trade and look orders up for as long as a `with` block runs.

    They meet at every beat and rest in between, which leaves the machine to what is being tested
    and to the tests beside it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        clients: int = 8,
        *,
        is_full: bool = False,
        is_half_hasty: bool = False,
        is_half_reading: bool = False,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """
        Read how the stocks stand.

        urls: of front ends. is_full: no client ever rests. is_half_hasty: half of the clients soon
        give up what hangs and send the next request, so a paused process finds requests of any age
        when it goes on. is_half_reading: half of the clients only query, stocks that nobody trades.
        """
        assert not (is_half_hasty and is_half_reading), "there is one other half"
        self._is_full, self._deadline_s = is_full, deadline_s
        shares = 1 + (is_half_hasty or is_half_reading)
        self._plan = make_plan(urls, clients, shares, deadline_s)
        second = msgspec.structs.replace(self._plan, deadline_s=HASTY_DEADLINE_S)
        if is_half_reading:
            untraded = _weigh(UNTRADED)
            second = msgspec.structs.replace(self._plan, stocks=untraded, p=0.0, lookup=0.0)
        prefix = secrets.randbits(48)
        self._shares = [
            Share(plan=plan, number=number, key_prefix=prefix, is_noting=True)
            for number, plan in enumerate((self._plan, second)[: self._plan.processes])
        ]
        with open_client(self._plan.urls) as client:
            read = {share.plan.stocks: None for share in self._shares}
            self._openings = tuple(one for names in read for one in read_openings(client, names))
        self.done: list[Done] = []
        """Every operation that has ended, in the order of their ends."""
        self.origin_s = 0.0
        """The monotonic time of second 0."""
        self._engines: list[Engine] = []
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        assert self._is_ready.wait(PROGRESS_TIMEOUT_S), "the load does not begin"
        return self

    def __exit__(self, *exception: object) -> None:
        for engine in self._engines:
            engine.loop.call_soon_threadsafe(engine.stop, self._deadline_s)
        self._thread.join(2 * self._deadline_s)
        assert not self._thread.is_alive(), "the load does not end"

    async def _run(self) -> None:
        self.origin_s = clock.monotonic_s()
        self._engines = [
            Engine(share.plan, self._make_script(share), lambda done, _: self.done.append(done))
            for share in self._shares
        ]
        self._is_ready.set()
        pairs = zip(self._engines, self._shares, strict=True)
        await asyncio.gather(*(engine.run(share.clients, self.origin_s) for engine, share in pairs))

    def _make_script(self, share: Share) -> Script:
        script = make_script(share)
        return script if self._is_full else Beats(script)

    @property
    def records(self) -> list[Record]:
        """The history so far."""
        header = Header(
            format=FORMAT,
            seed=self._plan.seed,
            profile=self._plan.profile,
            started="2026-01-01T00:00:00Z",
            urls=self._plan.urls,
            options={},
            openings=self._openings,
        )
        return [header, *self.done]

    @property
    def acknowledged(self) -> list[Done]:
        """The trades that became orders."""
        return [one for one in tuple(self.done) if one.kind == "trade" and one.outcome == "ok"]

    @property
    def errors(self) -> list[Done]:
        """The trades that were neither placed nor honestly refused at their first attempt."""
        return [
            one
            for one in self.done
            if one.kind == "trade" and (one.outcome not in ("ok", "refused") or one.attempts > 1)
        ]

    def await_progress(self, trades: int = 20) -> None:
        """Wait until so many more trades are acknowledged. Raises AssertionError: they are not."""
        goal = len(self.acknowledged) + trades
        assert wait_until(lambda: len(self.acknowledged) >= goal, PROGRESS_TIMEOUT_S), (
            f"trades stand still: {self.done[-3:]}"
        )

    def longest_gap_s(self, from_s: float, to_s: float = math.inf) -> float:
        """Return the longest time without an acknowledged trade that began between two moments."""
        ends = (one.done_s for one in self.acknowledged if one.done_s is not None)
        return find_longest_gap_s(ends, from_s, to_s)


def find_longest_gap_s(at_s: Iterable[float], from_s: float, to_s: float) -> float:
    """Return the longest time between events that began between two moments."""
    times = [from_s, *(one for one in sorted(at_s) if one > from_s)]
    gaps = [after - before for before, after in pairwise(times) if before <= to_s]
    return max(gaps, default=math.inf)
