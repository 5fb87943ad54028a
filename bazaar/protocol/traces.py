"""
The trace of one trade: what processes keep of it, and what clients get.

See docs/adr/0043. The names of spans that belong to a trade or to an election are here, because
the process that keeps a span and the front end that reads it must mean the same.
"""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from bazaar.protocol.messages import Message

REQUESTS = frozenset({"POST /orders", "POST /api/v1/orders"})
"""A trade at the front end, from its socket to its answer."""
OF_TRADES = REQUESTS | {
    *("forward trades", "send trades", "await leader", "POST /trades", "place trades"),
    *("send batch", "POST /batch", "decide trades", "invalidate", "POST /invalidate"),
    *("append", "POST /sync"),
}
OF_ELECTIONS = frozenset(
    {"election", "ping replicas", "claim", "notice", "POST /leadership", "POST /leader"}
)
DECIDED, DURABLE = "decided", "durable"
"""Moments in a span: the catalog has decided; a transaction is on the disk."""
PARENTS_MAX = 200
"""Spans whose parts in other processes are asked for at once."""
SPANS_MAX = 1000
"""Spans in one answer; the newest of more."""

SpanId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]


class SpansWantedBody(Message, frozen=True, kw_only=True):
    """A trade, or spans of other processes, of which spans are wanted."""

    key: UUID | None
    """Of a trade; the answer has all elections, too."""
    parents: Annotated[tuple[SpanId, ...], Meta(max_length=PARENTS_MAX)]


class SpanBody(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One ended span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    began_s: float
    """Seconds since 1970, by the clock of its process, like all times here."""
    ended_s: float
    error: str = ""
    attributes: dict[str, str | int] = {}
    marks: tuple[tuple[str, float], ...] = ()
    has_key: bool = False
    """Whether the trade that was asked for is in it."""


class SpansBody(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What one process knows of a trade."""

    process: str
    """Its name, with its pid if others have the same."""
    now_s: float
    """When it answered."""
    spans: tuple[SpanBody, ...] = ()
    holders: tuple[tuple[str, int], ...] = ()
    """From the catalog: host and control port of each lease holder."""


class TraceProcess(Message, frozen=True, kw_only=True):
    """One process that had a part in a trade, or that could not be asked."""

    name: Annotated[str, Meta(examples=["order-3"])]
    offset_ms: Annotated[
        float,
        Meta(description="How far its clock is ahead of the first one's; it is taken out."),
    ] = 0.0
    reason: Annotated[str, Meta(description="Why it could not be asked; empty: it was.")] = ""

    @property
    def clock_note(self) -> str:
        """How far its clock is off, in words; empty: it is not."""
        if not self.offset_ms:
            return ""
        off = f"{abs(self.offset_ms):.3f} ms {'ahead of' if self.offset_ms > 0 else 'behind'}"
        return f"The clock of {self.name} is {off} the first one; that is taken out."


StepKind = Literal["request", "wait", "work", "message", "moment", "election"]
Moment = Annotated[
    float, Meta(description="Milliseconds after the trade began; below 0: before it.")
]


class TraceStep(Message, frozen=True, kw_only=True):
    """One thing that happened, in one process or from one to another."""

    no: Annotated[int, Meta(description="Counts the steps from 1, by when they began.", ge=1)]
    kind: StepKind
    process: str
    to: Annotated[str, Meta(description="Of a message: the process that it was for.")] = ""
    text: Annotated[str, Meta(description="The step in words.")]
    at_ms: Moment
    end_ms: Moment
    """Of a message: when its answer was taken."""
    received_ms: Annotated[
        float | None, Meta(description="Of a message: when it came; null: nobody knows.")
    ] = None
    answered_ms: Annotated[
        float | None, Meta(description="Of a message: when it was answered; null: nobody knows.")
    ] = None
    is_durable: Annotated[
        bool, Meta(description="Whether something was on the disk from this moment on.")
    ] = False
    error: Annotated[str, Meta(description="Why it failed; empty: it did not.")] = ""


class TradeTrace(Message, frozen=True, kw_only=True):
    """A trade followed through all processes."""

    idempotency_key: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    order_no: Annotated[
        int | None, Meta(description="The number of its order; null: there is none yet.")
    ]
    outcome: Annotated[
        str,
        Meta(description="What the client was told, in words.", examples=["placed, status 201"]),
    ]
    began_s: Annotated[float, Meta(description="When it began, in seconds since 1970.")]
    took_ms: float
    trace_ids: tuple[str, ...]
    """Of its requests, as log lines and `traceparent` have them."""
    processes: tuple[TraceProcess, ...]
    """In the order in which they are drawn."""
    steps: tuple[TraceStep, ...]

    def list_drawn(self) -> list[TraceProcess]:
        """Return the processes that some step names, in their order."""
        named = {name for step in self.steps for name in (step.process, step.to)}
        return [process for process in self.processes if process.name in named]
