"""
The short way to an order: a WSGI wrapper before Django (DESIGN 4.5, ADR 0014).

A program's `GET /orders?order_no=N` is answered here, from memory or from a replica, with the
headers and body that the view gives; with `Cache-Control: no-cache` from a replica in any case.
Everything else goes on to Django: pages for browsers, bad numbers, and look-ups that failed, with
what went wrong.
"""

from collections.abc import Iterable

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure
from bazaar.core.types import OrderNo
from bazaar.runtime.metrics import operations
from frontend_app.headers import FRESH, order_headers
from frontend_app.hits import Application, Environ, StartResponse
from frontend_app.orders import OrderDesk
from frontend_app.outcomes import leave
from frontend_app.readings import Source

_PARAM = "order_no"
_NUMBER_CHARS_MAX = 18
"""Longer ones are looked at by the view."""


class LookUpPath:
    """A WSGI application that answers plain look-ups itself and passes everything else on."""

    def __init__(self, application: Application, desk: OrderDesk) -> None:
        """application: the whole front end."""
        self._application, self._desk = application, desk
        self._hit = operations.meter("GET /orders hit")
        self._miss = operations.meter("GET /orders miss")
        self._fresh = operations.meter("GET /orders fresh")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        order_no = _number_in(environ)
        if order_no is None:
            return self._application(environ, start_response)
        began_s, is_fresh = monotonic_s(), "HTTP_CACHE_CONTROL" in environ
        if not is_fresh and (body := self._desk.hit(order_no)):
            start_response("200 OK", list(order_headers(body, Source.HIT)))
            self._hit.add(monotonic_s() - began_s)
            return [body]
        try:
            body = self._desk.fetch(order_no)
        except Failure as failure:
            leave(environ, failure, began_s)
            return self._application(environ, start_response)
        source = Source.REQUEST if is_fresh else Source.STORED
        start_response("200 OK", list(order_headers(body, source)))
        (self._fresh if is_fresh else self._miss).add(monotonic_s() - began_s)
        return [body]


def _number_in(environ: Environ) -> OrderNo | None:
    """Return the order that a program asks for and nothing else; None sends it the long way."""
    if (
        environ["PATH_INFO"] != "/orders"
        or environ["REQUEST_METHOD"] != "GET"
        or environ.get("HTTP_CACHE_CONTROL", FRESH) != FRESH
        or "text/html" in environ.get("HTTP_ACCEPT", "")
    ):
        return None
    name, _, number = environ.get("QUERY_STRING", "").partition("=")
    is_plain = name == _PARAM and number.isascii() and number.isdigit()
    if not is_plain or len(number) > _NUMBER_CHARS_MAX:
        return None
    return OrderNo(int(number))
