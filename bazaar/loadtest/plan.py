"""The plan of a run, whole and for each of its processes."""

import msgspec

from bazaar.client.client_dialects import CLIENT_DIALECTS, SEED, ClientDialect
from bazaar.loadtest.profiles import Weighted


class FrontEndAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Front ends, and how they are asked."""

    urls: tuple[str, ...]
    dialect_name: str = SEED.name
    token: str | None = None
    """That all requests are sent with."""

    @property
    def dialect(self) -> ClientDialect:
        """Return the dialect that is spoken."""
        return CLIENT_DIALECTS[self.dialect_name]


class Plan(FrontEndAccess, frozen=True, kw_only=True):
    """One load run, checked."""

    ca_path: str | None = None
    """The CA of the front ends, trusted besides those of the system."""
    profile: str = ""
    stocks: tuple[Weighted, ...] = ()
    clients: int = 1
    processes: int = 1
    rate: float | None = None
    """Operations a second in an open loop; None: a closed loop."""
    duration_s: float | None = None
    """Of the measured part."""
    requests: int | None = None
    """In the measured part."""
    warmup_s: float = 0.0
    p: float = 0.0
    lookup: float = 0.0
    seed: int = 0
    is_fresh: bool = False
    deadline_s: float
    """For one operation with all its attempts."""
    replay: str | None = None
    """A history whose operations are sent again."""

    @property
    def is_closed(self) -> bool:
        """Whether a client begins an operation when its last one has ended."""
        return self.rate is None and self.replay is None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one process in a run."""

    plan: Plan
    number: int
    """0 to processes - 1."""
    key_prefix: int
    is_noting: bool
    """Tell of every operation, not only in numbers."""

    @property
    def clients(self) -> range:
        """The numbers of its clients."""
        return range(self.number, self.plan.clients, self.plan.processes)

    @property
    def requests(self) -> int | None:
        """How many operations it may begin after the warm-up."""
        total, processes = self.plan.requests, self.plan.processes
        return None if total is None else len(range(self.number, total, processes))


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="type"):
    """Begin: second 0 of the run is at this monotonic time."""

    origin_s: float


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="type"):
    """Begin nothing more; give up what is under way after so many seconds."""

    drain_s: float


Command = Start | Stop
