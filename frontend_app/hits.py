"""
The short way to a stock in memory: a WSGI wrapper before Django (DESIGN 4.4, ADR 0012).

A program's `GET /stocks?stock_name=S` that memory can answer is answered here, from bytes encoded
when the stock came, with the headers and body that the view gives. Everything else goes on to
Django: pages for browsers, misses, demands for a fresh answer, bad requests.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

from frontend_app.stocks import StockReader

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

QUERIES_MAX = 20_000
"""Query strings whose decoding is remembered."""
_PARAM = "stock_name="


class HitPath:
    """A WSGI application that answers hits itself and passes everything else on."""

    def __init__(self, application: Application, reader: StockReader) -> None:
        """application: the whole front end."""
        self._application, self._reader = application, reader

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if (
            environ["PATH_INFO"] == "/stocks"
            and environ["REQUEST_METHOD"] == "GET"
            and "HTTP_CACHE_CONTROL" not in environ
            and "text/html" not in environ.get("HTTP_ACCEPT", "")
            and (name := _name_in(environ["QUERY_STRING"]))
            and (found := self._reader.hit(name))
        ):
            kept, age_s = found
            start_response("200 OK", [*kept.hit_headers, ("Age", str(age_s))])
            return [kept.body]
        return self._application(environ, start_response)


@lru_cache(QUERIES_MAX)
def _name_in(query: str) -> str | None:
    """Return the stock that a query asks for and nothing else; None sends it the long way."""
    if not query.startswith(_PARAM) or "&" in query:
        return None
    return unquote_plus(query[len(_PARAM) :])
