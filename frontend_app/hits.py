"""
The short way to a stock in memory: a WSGI wrapper before Django (DESIGN 4.4, ADR 0012).

A program's `GET /stocks?stock_name=S` that memory can answer is answered here, from bytes encoded
when the stock came, with the headers and body that the view gives. Everything else goes on to
Django: pages for browsers, misses, bad requests.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from frontend_app.readings import Reading
from frontend_app.stocks import StockReader

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

CACHE_NAME = "bazaar"
STALE_WARNING = '110 - "Response is Stale"'
_PARAM = "stock_name="
_VIEW_HEADERS = (
    ("Content-Type", "application/json"),
    ("Vary", "Accept"),
    ("Allow", "GET, HEAD, OPTIONS"),
)
"""What the view's framework adds to every answer."""


def headers_of(reading: Reading) -> dict[str, str]:
    """
    Return what an answer says of its version and of where it came from (RFC 9110, 9111, 9211).
    """
    headers = {
        "ETag": f'"{reading.kept.version}"',
        "Age": str(reading.age_s),
        "Cache-Status": f"{CACHE_NAME}; {reading.source}",
    }
    if reading.is_stale:
        headers["Warning"] = STALE_WARNING
    return headers


def asks_for_fresh(environ: Mapping[str, Any]) -> bool:
    """Tell whether a request wants the catalog's answer, not memory's."""
    return "no-cache" in environ.get("HTTP_CACHE_CONTROL", "").lower()


class HitPath:
    """A WSGI application that answers hits itself and passes everything else on."""

    def __init__(self, application: Application, reader: StockReader) -> None:
        """application: the whole front end."""
        self._application, self._reader = application, reader

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        name = _stock_name(environ)
        reading = self._reader.hit(name) if name else None
        if reading is None:
            return self._application(environ, start_response)
        body = reading.kept.body
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [*_VIEW_HEADERS, *headers_of(reading).items(), length])
        return [body]


def _stock_name(environ: Environ) -> str | None:
    """Return the stock that a request on the short way asks for; None for all others."""
    query: str = environ["QUERY_STRING"]
    if (
        environ["PATH_INFO"] not in ("/stocks", "/stocks/")
        or environ["REQUEST_METHOD"] != "GET"
        or not query.startswith(_PARAM)
        or "&" in query
        or "text/html" in environ.get("HTTP_ACCEPT", "")
        or asks_for_fresh(environ)
    ):
        return None
    return unquote_plus(query[len(_PARAM) :])
