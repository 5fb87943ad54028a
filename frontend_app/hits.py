"""
The short way to a stock: a WSGI wrapper before Django (DESIGN 4.4, ADR 0012).

A program's `GET /stocks?stock_name=S` is answered here, from bytes encoded when the stock came,
with the headers and body that the view gives. What memory does not have, or what is wanted fresh
(`Cache-Control: no-cache`), is asked of the catalog here. Everything else goes on to Django: pages
for browsers, bad requests, and what memory and catalog could not answer well. That is found once:
the view is handed it in the request.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from rest_framework.exceptions import ParseError

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure
from bazaar.runtime.metrics import operations
from bazaar.web.rest import check_stock_name
from frontend_app.headers import FRESH, miss_headers
from frontend_app.outcomes import leave
from frontend_app.readings import Reading
from frontend_app.stocks import StockReader

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

QUERIES_MAX = 20_000
"""Query strings whose decoding is remembered."""
_PARAM = "stock_name="
_WISHES = (None, FRESH)


class HitPath:
    """A WSGI application that answers hits itself and passes everything else on."""

    def __init__(self, application: Application, reader: StockReader) -> None:
        """application: the whole front end."""
        self._application, self._reader = application, reader
        self._count_hit = operations.meter("GET /stocks hit").histogram.add
        self._count_miss = operations.meter("GET /stocks miss").histogram.add
        self._count_fresh = operations.meter("GET /stocks fresh").histogram.add

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if (
            environ["PATH_INFO"] == "/stocks"
            and environ["REQUEST_METHOD"] == "GET"
            and (wish := environ.get("HTTP_CACHE_CONTROL")) in _WISHES
            and "text/html" not in environ.get("HTTP_ACCEPT", "")
            and (name := _name_in(environ["QUERY_STRING"]))
        ):
            began_s = monotonic_s()
            if not wish and (found := self._reader.hit(name, began_s)):
                kept, age_s = found
                start_response("200 OK", [*kept.hit_headers, ("Age", str(age_s))])
                self._count_hit(monotonic_s() - began_s)
                return [kept.body]
            if reading := self._read(name, environ, began_s):
                start_response("200 OK", list(miss_headers(reading)))
                (self._count_fresh if wish else self._count_miss)(monotonic_s() - began_s)
                return [reading.kept.body]
        return self._application(environ, start_response)

    def _read(self, stock_name: str, environ: Environ, began_s: float) -> Reading | None:
        """Return what the catalog says now; leave anything else to the view, with what it is."""
        try:
            is_fresh = "HTTP_CACHE_CONTROL" in environ
            reading = self._reader.read(stock_name, is_fresh=is_fresh)
        except Failure as failure:
            leave(environ, failure, began_s)
            return None
        leave(environ, reading, began_s)
        return None if reading.is_stale else reading


@lru_cache(QUERIES_MAX)
def _name_in(query: str) -> str | None:
    """Return the stock that a query asks for and nothing else; None sends it the long way."""
    if not query.startswith(_PARAM) or "&" in query:
        return None
    name = unquote_plus(query[len(_PARAM) :])
    try:
        return check_stock_name(name)
    except ParseError:
        return None
