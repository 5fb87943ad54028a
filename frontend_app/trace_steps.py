"""The steps of a trade in words: what was done, what was sent, and what waited."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from operator import attrgetter

from msgspec.structs import replace

from bazaar.core.types import OrderNo
from bazaar.protocol.traces import (
    DECIDED,
    DURABLE,
    REQUESTS,
    SpanBody,
    StepKind,
    TraceStep,
)

RECEIVED_AS = {
    "send trades": "POST /trades",
    "send batch": "POST /batch",
    "append": "POST /sync",
    "invalidate": "POST /invalidate",
    "claim": "POST /leadership",
    "notice": "POST /leader",
}
"""What is sent, and what its receiver calls it."""
DECISION, PLACING = "decide trades", "place trades"
_BATCHES = (DECISION, PLACING)
"""What is done with all trades of a batch, and may have another end for each."""
_MS = 1000.0
_LEAST_WAIT_MS = 0.01
REPEATS_MAX = 4
"""Of more steps that say the same, the first two and the last are told."""
_MOMENTS = {
    (DECISION, DECIDED): "has decided; it commits when the front ends have forgotten the stocks",
    (DECISION, DURABLE): "has committed it to the ledger",
    (PLACING, DURABLE): "has it in its order log",
    ("POST /sync", DURABLE): "has it in its order log",
}
"""What is said of a moment of a span that wrote the order."""


@dataclass(frozen=True, slots=True)
class PlacedSpan:
    """A span of one process, by the clock of the first one."""

    process: str
    span: SpanBody
    offset_s: float
    """How far its clock is ahead."""

    @property
    def began_s(self) -> float:
        """When it began."""
        return self.span.began_s - self.offset_s

    @property
    def ended_s(self) -> float:
        """When it ended."""
        return self.span.ended_s - self.offset_s


def list_steps(
    spans: Sequence[PlacedSpan], order_no: OrderNo | None, began_s: float
) -> tuple[TraceStep, ...]:
    """
    Return the steps, numbered by when they began, the longest first.

    A trade without a leader is sent again every 50 ms: most of what is repeated is left out.
    began_s: when the trade began.
    """
    steps = _sort(_StepWriter(spans, order_no, began_s).write())
    told = _sort(_leave_out_repeats(steps))
    return tuple(replace(step, no=no) for no, step in enumerate(told, start=1))


def _sort(steps: Iterable[TraceStep]) -> list[TraceStep]:
    return sorted(steps, key=lambda step: (step.at_ms, -step.end_ms))


def _leave_out_repeats(steps: Iterable[TraceStep]) -> Iterator[TraceStep]:
    """Yield the steps without those in the midst of many alike; the last says how many."""
    alike: dict[tuple[str, ...], list[TraceStep]] = {}
    for step in steps:
        said = (step.kind, step.process, step.to, step.text, step.error)
        alike.setdefault(said, []).append(step)
    for same in alike.values():
        if len(same) <= REPEATS_MAX:
            yield from same
            continue
        first, second, *others, last = same
        yield from (first, second)
        yield replace(last, text=f"{last.text} (after {len(others)} more like it, not shown)")


class _StepWriter:
    """Writes the steps of one trade."""

    def __init__(
        self, spans: Sequence[PlacedSpan], order_no: OrderNo | None, began_s: float
    ) -> None:
        self._spans, self._order_no, self._began_s = spans, order_no, began_s
        self._received: dict[str, list[PlacedSpan]] = {}
        for one in spans:
            self._received.setdefault(one.span.parent_id, []).append(one)
        decided = [one for one in spans if one.span.name == DECISION and self._wrote(one)]
        self._decided_s = min((one.began_s for one in decided), default=0.0)
        self._is_refused = order_no is None and any(map(_is_told_no, spans))

    def write(self) -> Iterator[TraceStep]:
        """Yield the steps, in no order."""
        for one in self._spans:
            name = one.span.name
            if name in RECEIVED_AS:
                yield self._message(one)
            elif name in _WORK:
                kind, say = _WORK[name]
                yield self._step(one, kind, say(one.span.attributes))
            elif name in _BATCHES:
                say_batch = self._say_decision if name == DECISION else self._say_placing
                yield self._step(one, "work", say_batch(one))
            elif name in REQUESTS:
                yield from self._request(one)
            if self._wrote(one):
                yield from self._moments(one)
        yield from self._waits(REQUESTS, "forward trades", "waits for its batch to be sent")
        yield from self._waits(("POST /trades",), PLACING, "waits for its batch to begin")

    def _ms(self, at_s: float) -> float:
        return round((at_s - self._began_s) * _MS, 3)

    def _wrote(self, one: PlacedSpan) -> bool:
        """Tell whether the order is among those that a span wrote; refused trades are none."""
        told = one.span.attributes
        first = int(told.get("stored_from", told.get("order_no", 0)))
        count = int(told.get("stored", told.get("placed", 0)))
        return self._order_no is not None and first <= self._order_no < first + count

    def _moments(self, one: PlacedSpan) -> Iterator[TraceStep]:
        for mark, at_s in one.span.marks:
            if text := _MOMENTS.get((one.span.name, mark)):
                yield self._moment(one, at_s - one.offset_s, text, is_durable=mark == DURABLE)

    def _say_decision(self, one: PlacedSpan) -> str:
        """Return what became of the trade in a batch of the catalog, as far as it is known."""
        text = f"decides {_count(one.span.attributes)}"
        if self._wrote(one):
            return f"{text}: this one is order {self._order_no}"
        if one.span.error:
            return text
        if self._is_refused_in(one):
            return f"{text}: this one is refused"
        if self._order_no is None:
            return text
        return f"knows the key: it is order {self._order_no}, which was decided before"

    def _say_placing(self, one: PlacedSpan) -> str:
        """Return what a leader did with the trade, as far as it is known."""
        count = _count(one.span.attributes)
        if one.span.error or self._wrote(one):
            return f"places {count}"
        if self._is_refused_in(one):
            return f"tries to place {count}"
        if self._order_no is None:
            return f"places {count}"
        return f"knows the key: order {self._order_no} is in its log"

    def _is_refused_in(self, one: PlacedSpan) -> bool:
        """Tell whether the trade was refused in a batch that did not fail and did not write it."""
        return self._is_refused or one.began_s < self._decided_s

    def _step(self, one: PlacedSpan, kind: StepKind, text: str) -> TraceStep:
        at_ms, end_ms = self._ms(one.began_s), self._ms(one.ended_s)
        return TraceStep(
            no=1,
            kind=kind,
            process=one.process,
            text=text,
            at_ms=at_ms,
            end_ms=end_ms,
            error=one.span.error,
        )

    def _moment(
        self, one: PlacedSpan, at_s: float, text: str, *, is_durable: bool = False
    ) -> TraceStep:
        step = self._step(one, "moment", text)
        at_ms = self._ms(at_s)
        return replace(step, at_ms=at_ms, end_ms=at_ms, is_durable=is_durable, error="")

    def _request(self, one: PlacedSpan) -> Iterator[TraceStep]:
        yield replace(self._step(one, "request", f"takes the trade: {one.span.name}"), error="")
        status = one.span.attributes.get("status", "unknown")
        text = "answers that it failed" if one.span.error else f"answers with status {status}"
        yield replace(self._moment(one, one.ended_s, text), error=one.span.error)

    def _message(self, one: PlacedSpan) -> TraceStep:
        """Return what was sent, with its times at the receiver if that is known."""
        name, attributes = one.span.name, one.span.attributes
        found = [
            other
            for other in self._received.get(one.span.span_id, ())
            if other.span.name == RECEIVED_AS[name]
        ]
        step = replace(self._step(one, "message", _MESSAGES[name](attributes)), to=_guess(one.span))
        if not found:
            return step
        return replace(
            step,
            to=found[0].process,
            received_ms=self._ms(min(other.began_s for other in found)),
            answered_ms=self._ms(max(other.ended_s for other in found)),
        )

    def _waits(self, names: Iterable[str], until: str, text: str) -> Iterator[TraceStep]:
        """Yield for how long something waited that came, until a batch began with it."""
        for batch in (one for one in self._spans if one.span.name == until):
            came = [
                one
                for one in self._spans
                if one.span.name in names
                and one.process == batch.process
                and one.began_s <= batch.began_s <= one.ended_s
            ]
            if not came:
                continue
            last = max(came, key=attrgetter("began_s"))
            step = replace(self._step(last, "wait", text), end_ms=self._ms(batch.began_s), error="")
            if step.end_ms - step.at_ms >= _LEAST_WAIT_MS:
                yield step


_Attributes = Mapping[str, str | int]


def _count(attributes: _Attributes) -> str:
    count = attributes.get("trades", 1)
    return "the trade" if count == 1 else f"{count} trades together"


def _is_told_no(one: PlacedSpan) -> bool:
    """Tell whether a span is a request whose trade was refused."""
    status = int(one.span.attributes.get("status", 0))
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return one.span.name in REQUESTS and is_refusal


def _say_election(attributes: _Attributes) -> str:
    if not attributes.get("replica"):
        return "election, without a leader"
    term = attributes.get("term", 0)
    leads = "goes on leading" if attributes.get("term_before") == term else "leads"
    return f"election: order-{attributes['replica']} {leads} term {term}"


_WORK: Mapping[str, tuple[StepKind, Callable[[_Attributes], str]]] = {
    "await leader": ("wait", lambda _: "waits for another leader"),
    "election": ("election", _say_election),
    "ping replicas": (
        "work",
        lambda told: f"asks the replicas who lives: {told.get('answered') or 'none'} answered",
    ),
}
_MESSAGES: Mapping[str, Callable[[_Attributes], str]] = {
    "send trades": lambda told: f"sends {_count(told)} to the leader of term {told.get('term', 0)}",
    "send batch": lambda told: f"has the catalog decide {_count(told)}",
    "append": lambda _: "has the follower store the orders",
    "invalidate": lambda _: "has a front end forget the stocks",
    "claim": lambda told: f"claims the next term for order-{told.get('replica')}",
    "notice": lambda _: "says who leads",
}


def _guess(span: SpanBody) -> str:
    """Return for which process a message was, when that does not say so itself."""
    if span.name in ("send batch", "claim"):
        return "catalog"
    return f"order-{span.attributes['replica']}" if "replica" in span.attributes else ""
