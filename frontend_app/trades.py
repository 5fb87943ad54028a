"""
The short way of a trade: a WSGI wrapper before Django (DESIGN 4.1, ADR 0014).

A program's well-formed `POST /orders` in the seed's dialect is placed here and answered with the
view's headers and body. Everything else goes on to Django with nothing done: pages for browsers,
bad bodies, bad keys. A trade that failed goes on as well, with its failure and its key, so that the
view says what came of it; it is never placed twice.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from uuid import UUID, uuid4

import msgspec
from rest_framework.exceptions import ParseError

from bazaar.clock import monotonic_s
from bazaar.core.failures import Failure
from bazaar.core.ledger import Answer
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.messages import Name, Quantity
from bazaar.runtime.metrics import operations
from bazaar.web.rest import PUBLIC_BODY_BYTES_MAX, check_stock_name
from frontend_app.headers import KEY_HEADER, placed_headers
from frontend_app.hits import Application, Environ, StartResponse
from frontend_app.outcomes import leave

_KEY = "HTTP_IDEMPOTENCY_KEY"
_LENGTH_CHARS_MAX = 5
_UUID_CHARS = 36


class Wish(msgspec.Struct, frozen=True):
    """The body of `POST /orders` when nothing is wrong with it."""

    stock_name: Name
    trade_type: TradeType
    quantity: Quantity


_decode = msgspec.json.Decoder(Wish).decode


class TradePath:
    """A WSGI application that places plain trades itself and passes everything else on."""

    def __init__(self, application: Application, place: Callable[[Trade], Answer]) -> None:
        """application: the whole front end. place: returns an order or a Failure, or raises it."""
        self._application, self._place = application, place
        self._placed = operations.meter("POST /orders placed")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] != "/orders" or environ["REQUEST_METHOD"] != "POST":
            return self._application(environ, start_response)
        began_s = monotonic_s()
        trade = _read(environ)
        if trade is None:
            return self._application(environ, start_response)
        try:
            placed = self._place(trade)
        except Failure as failure:
            placed = failure
        if isinstance(placed, Failure):
            environ[_KEY] = str(trade.key)
            leave(environ, placed, began_s)
            return self._application(environ, start_response)
        body = b'{"order_no":%d}' % placed.order_no
        start_response("200 OK", [*placed_headers(body), (KEY_HEADER, str(trade.key))])
        self._placed.add(monotonic_s() - began_s)
        return [body]


def _read(environ: Environ) -> Trade | None:
    """Return the trade that a request asks for; None when the view has to look at it."""
    length = environ.get("CONTENT_LENGTH") or ""
    if (
        environ.get("CONTENT_TYPE") != "application/json"
        or "text/html" in environ.get("HTTP_ACCEPT", "")
        or not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_CHARS_MAX)
        or int(length) > PUBLIC_BODY_BYTES_MAX
    ):
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    try:
        wish = _decode(body)
        key = read_key(environ.get(_KEY))
        check_stock_name(wish.stock_name)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ParseError):
        return None
    return Trade(key, wish.stock_name, wish.trade_type, wish.quantity)


def read_key(text: str | None) -> UUID:
    """Return the client's idempotency key, or a new one. Raises ParseError (400)."""
    if text is None:
        return uuid4()
    try:
        key = UUID(text[:_UUID_CHARS])
        if str(key) != text.lower():  # UUID also takes braces, signs and hyphens anywhere
            raise ValueError
        return key
    except ValueError as error:
        raise ParseError(f"{KEY_HEADER}: {text[:40]!r} is not a UUID.") from error
