"""
The spans of many processes as one trade's trace (docs/adr/0043).

Which spans belong to the trade, which process had a part in it, and what their clocks say once the
offsets between hosts are taken out. Nothing here asks anybody.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from uuid import UUID

from msgspec import Struct, structs

from bazaar.core.clock_offsets import Exchange, find_offsets
from bazaar.core.failures import UnknownTrace
from bazaar.core.types import OrderNo
from bazaar.protocol.traces import REQUESTS, SpanBody, TraceProcess, TraceStep, TradeTrace
from bazaar.topology import WORKER, Role
from frontend_app.trace_steps import DECISION, PLACING, RECEIVED_AS, PlacedSpan, list_steps

_OF_ONE_TRADE = REQUESTS | {"forward trades", PLACING, DECISION}
"""Spans that know whether the trade is in them; whoever asked for them may be in any trace."""
_MS = 1000.0


class AskedProcess(Struct, frozen=True):
    """What came of asking one process for its spans."""

    name: str
    host: str
    """Whose clock it has."""
    reason: str = ""
    """Why it did not answer; empty: it did."""
    spans: tuple[SpanBody, ...] = ()
    sent_s: float = 0.0
    answered_s: float = 0.0
    """By its own clock; the other two by the clock of who asked. All 0: nobody knows them."""
    returned_s: float = 0.0


def assemble(
    key: UUID, asked: Sequence[AskedProcess], order_no: OrderNo | None = None
) -> TradeTrace:
    """
    Return the trace of a trade.

    asked: who asked first, and its own clock with it. order_no: of its order; None: what the spans
    say of it counts. Raises UnknownTrace (definite): none of the spans is of the trade.
    """
    chosen = _choose(_list_spans(asked))
    if not chosen:
        raise UnknownTrace
    offsets = _find_offsets(chosen, asked)
    placed = [
        PlacedSpan(process.name, span, offsets.get(process.host, 0)) for process, span in chosen
    ]
    requests = [one for one in placed if one.span.name in REQUESTS and one.span.has_key]
    began_s = min(one.began_s for one in requests or placed)
    ended_s = max(one.ended_s for one in requests or placed)
    order_no = order_no or _find_order_no(requests, placed)
    steps = list_steps(_with_elections(placed, began_s, ended_s), order_no, began_s)
    return TradeTrace(
        idempotency_key=str(key),
        order_no=order_no,
        outcome=_say_outcome(requests),
        began_s=round(began_s, 6),
        took_ms=round((ended_s - began_s) * _MS, 3),
        trace_ids=tuple(dict.fromkeys(one.span.trace_id for one in requests)),
        processes=tuple(_list_processes(steps, asked, offsets)),
        steps=steps,
    )


def _find_order_no(requests: Sequence[PlacedSpan], spans: Iterable[PlacedSpan]) -> OrderNo | None:
    """Return the number that a client was told, or that the catalog gave to the trade alone."""
    alone = [
        one
        for one in spans
        if one.span.name == DECISION and one.span.has_key and "key" in one.span.attributes
    ]
    numbers = [one.span.attributes.get("order_no") for one in (*requests, *alone)]
    return next((OrderNo(int(number)) for number in numbers if number), None)


def list_parents(asked: Iterable[AskedProcess]) -> list[str]:
    """Return the ids of the messages of the trade, and of elections."""
    chosen = _choose(_list_spans(asked))
    return [span.span_id for _, span in chosen if span.name in RECEIVED_AS]


_Spans = list[tuple[AskedProcess, SpanBody]]


def _list_spans(asked: Iterable[AskedProcess]) -> _Spans:
    """Return every span once, with the process that it was in."""
    found: dict[str, tuple[AskedProcess, SpanBody]] = {}
    for process in asked:
        for span in process.spans:
            known = found.get(span.span_id)
            if known is None or not known[1].has_key:
                found[span.span_id] = (process, span)
    return list(found.values())


def _choose(spans: _Spans) -> _Spans:
    """
    Return the spans that have the trade, their parts in all processes, and elections.

    None without the trade.
    """
    parts = defaultdict(list)
    for one in spans:
        parts[one[1].parent_id].append(one)
    roots = [one for one in spans if one[1].has_key]
    if not roots:
        return []
    chosen: dict[str, tuple[AskedProcess, SpanBody]] = {}
    waiting = [*roots, *(one for one in spans if one[1].name == "election")]
    while waiting:
        one = waiting.pop()
        span = one[1]
        if span.span_id in chosen or (span.name in _OF_ONE_TRADE and not span.has_key):
            continue  # of other trades, in the same trace
        chosen[span.span_id] = one
        waiting += parts[span.span_id]
    return list(chosen.values())


def _with_elections(
    placed: Sequence[PlacedSpan], began_s: float, ended_s: float
) -> list[PlacedSpan]:
    """Return the spans without elections that were over before the trade, or began after it."""
    others = {
        one.span.trace_id
        for one in placed
        if one.span.name == "election" and not (one.began_s < ended_s and one.ended_s > began_s)
    }
    return [one for one in placed if one.span.trace_id not in others]


def _find_offsets(spans: _Spans, asked: Sequence[AskedProcess]) -> dict[str, float]:
    """Return how far the clock of each host is ahead of the first one's, in seconds."""
    first = asked[0].host
    links: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
    for process in asked:
        if process.host != first and process.answered_s and not process.reason:
            at_s = process.answered_s
            exchange = Exchange(process.sent_s, at_s, at_s, process.returned_s)
            links[first, process.host].append(exchange)
    senders = {span.span_id: (process, span) for process, span in spans}
    for process, received in spans:
        sender = senders.get(received.parent_id)
        if sender is None or RECEIVED_AS.get(sender[1].name) != received.name:
            continue
        if sender[0].host != process.host and not sender[1].error:
            sent = sender[1]
            exchange = Exchange(sent.began_s, received.began_s, received.ended_s, sent.ended_s)
            links[sender[0].host, process.host].append(exchange)
    return find_offsets(first, links)


def _say_outcome(requests: Sequence[PlacedSpan]) -> str:
    """Return what the client was told the last time that it sent the trade."""
    if not requests:
        return "nobody remembers its request"
    last = max(requests, key=lambda one: one.ended_s)
    status = int(last.span.attributes.get("status", HTTPStatus.INTERNAL_SERVER_ERROR))
    many = f" (the last of {len(requests)} requests)" if len(requests) > 1 else ""
    if status < HTTPStatus.BAD_REQUEST:
        return f"placed, status {status}{many}"
    refused = status < HTTPStatus.INTERNAL_SERVER_ERROR
    return f"{'refused' if refused else 'failed'}, status {status}{many}"


def _list_processes(
    steps: Sequence[TraceStep], asked: Sequence[AskedProcess], offsets: dict[str, float]
) -> Iterable[TraceProcess]:
    """
    Yield who had a part, and who could not be asked.

    Front ends come first, then the catalog and the replicas, each as it comes into it.
    """
    names = dict.fromkeys(name for step in steps for name in (step.process, step.to) if name)
    known = {process.name: process for process in reversed(asked)}
    names |= dict.fromkeys(name for name, process in known.items() if process.reason)
    ranks = (Role.FRONT_END, WORKER, Role.CATALOG, Role.ORDER)
    for name in sorted(names, key=lambda name: ranks.index(name.partition("-")[0])):
        process = known.get(name)
        if process is None:
            yield TraceProcess(name=name)
            continue
        offset_ms = round(offsets.get(process.host, 0.0) * _MS, 3)
        yield TraceProcess(name=name, offset_ms=offset_ms, reason=process.reason)


def merge(fresh: Sequence[AskedProcess], kept: Sequence[AskedProcess]) -> list[AskedProcess]:
    """
    Return what is known now with what was kept of a slow or failed trade.

    A host's clock counts as it was when its spans were kept: it may have been set since.
    """
    hosts = {process.host for process in kept if process.answered_s}
    names = {process.name for process in fresh}
    known = {span.span_id for process in fresh for span in process.spans}
    merged = [
        structs.replace(process, sent_s=0.0, answered_s=0.0, returned_s=0.0)
        if process.host in hosts
        else process
        for process in fresh
    ]
    for process in kept:
        spans = tuple(span for span in process.spans if span.span_id not in known)
        if spans or process.answered_s or process.name not in names:
            reason = "" if process.name in names else process.reason
            merged.append(structs.replace(process, spans=spans, reason=reason))
    return merged
