"""`/spans`: what this process knows of a trade, for a front end that collects."""

import os
from collections.abc import Callable

from django.conf import settings

from bazaar import clock
from bazaar.protocol.examples import KEY
from bazaar.protocol.traces import SpansBody, SpansWantedBody
from bazaar.runtime.span_ring import span_ring
from bazaar.topology import process_name
from bazaar.web.endpoint import Endpoint, Port, post

ListHolders = Callable[[], tuple[tuple[str, int], ...]]


def read_spans(wanted: SpansWantedBody, list_holders: ListHolders = tuple) -> SpansBody:
    """Return the spans of this process that somebody wants."""
    return SpansBody(
        process=name_this_process(),
        spans=tuple(span_ring.find(wanted)),
        holders=list_holders() if wanted.key else (),
        now_s=clock.wall_s(),
    )


def name_this_process() -> str:
    """Return the name of this process; of one of several workers with its pid."""
    name = process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)
    return f"{name}/{os.getpid()}" if settings.BAZAAR_LIMITS.workers > 1 else name


def make_spans_endpoint(list_holders: ListHolders = tuple) -> Endpoint:
    """Return the endpoint; list_holders: their control addresses, if known."""

    def list_spans(wanted: SpansWantedBody) -> SpansBody:
        """
        Return the spans of a trade that this process has in memory.

        POST `{"key", "parents"}` answers `{"process", "now_s", "spans", "holders"}`: the spans that
        the trade with that key is in and all elections, and what was done here for the spans
        `parents` of other processes, at most 200. It changes nothing.
        """
        return read_spans(wanted, list_holders)

    return Endpoint(
        "/spans",
        post(list_spans, SpansWantedBody, SpansWantedBody(key=KEY, parents=())),
        ports=(Port.CONTROL,),
    )
