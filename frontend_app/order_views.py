"""One order, in any dialect: placed, and looked up."""

from collections.abc import Callable

from bazaar.core.types import Order, OrderNo, Trade
from bazaar.protocol import tracing
from bazaar.protocol.examples import NumberQuery
from bazaar.protocol.member_client import encode
from bazaar.protocol.tracing import Span
from bazaar.runtime.metrics import BEGAN, operations
from bazaar.web.endpoint import (
    ANSWER_HEADERS,
    EVENT_LOOP,
    EndpointMethod,
    Environ,
    Lane,
    ReadyAnswer,
    TakeAnswer,
    get,
    post,
)
from frontend_app import services, wiring
from frontend_app.dialects import COURSE, Dialect
from frontend_app.entries import OrderEntry, Source
from frontend_app.headers import (
    KEY_FIELD,
    Headers,
    answer_unless_known,
    cache_status,
    length,
    wants_fresh,
)
from frontend_app.trade_requests import IS_COURSE

_COUNTED = {Source.HIT: "hit", Source.STORED: "miss", Source.REQUEST: "fresh"}


class OrderViews:
    """The GET of one order in one dialect."""

    def __init__(self, dialect: Dialect, headers: Headers) -> None:
        """headers: what every answer has."""
        self.dialect, self._headers = dialect, headers
        self._counts = {
            source: operations.meter(f"GET {dialect.order_path} {word}").histogram.add
            for source, word in _COUNTED.items()
        }

    @property
    def action(self) -> EndpointMethod:
        """What the endpoint does for a GET."""
        return get(
            self.show,
            self.dialect.order_query,
            takes_environ=True,
            lane=Lane.LOOK_UP,
            ready=self.find,
            doc=self.dialect.order_doc,
            is_strict=self.dialect.is_strict,
            **self.dialect.errors,
        )

    def show(self, query: NumberQuery, environ: Environ) -> ReadyAnswer:
        """Look an order up."""
        number = OrderNo(query.order_no)
        entry, source = services.look_up_order(order_no=number, is_fresh=wants_fresh(environ))
        return self._answer(entry, source, environ)

    def find(self, query: NumberQuery, environ: Environ) -> ReadyAnswer | None:
        """Return the answer for an order in memory, without waiting."""
        if wants_fresh(environ):
            return None
        entry = wiring.orders().hit(OrderNo(query.order_no))
        return None if entry is None else self._answer(entry, Source.HIT, environ)

    def _answer(self, entry: OrderEntry, source: Source, environ: Environ) -> ReadyAnswer:
        bodies = entry.bodies = entry.bodies or {}
        body = bodies.get(self.dialect.name)
        if body is None:
            body = bodies[self.dialect.name] = encode(self.dialect.order.from_core(entry.order))
        tag = f'"{entry.order.key.hex}{self.dialect.tag_suffix}"'
        headers = [*self._headers, ("ETag", tag), cache_status(source), length(body)]
        return answer_unless_known(environ, tag, headers, body, self._counts[source])


class TradeViews:
    """The POST of an order at one path."""

    def __init__(self, path: str, dialect: Dialect, headers: Headers) -> None:
        """
        Take the dialect of those whose body names no other.

        headers: what every answer has.
        """
        self._dialect, self._headers = dialect, headers
        self._placed = operations.meter(f"POST {path} placed").histogram.add

    def action(
        self, doc: str, read: Callable[[bytes, Environ], Trade], **more: object
    ) -> EndpointMethod:
        """
        Return what the endpoint does for a POST.

        read: decodes a body. more: how errors are shaped, as in EndpointMethod.
        """
        return post(
            self.place,
            self._dialect.trade_request,
            self._dialect.trade_example,
            takes_environ=True,
            lane=Lane.TRADE,
            later=self.place_later,
            read=read,
            headers=(KEY_FIELD,),
            doc=doc,
            **more,
        )

    def place(self, trade: Trade, environ: Environ) -> ReadyAnswer:
        """Place an order."""
        order = services.place_order(trade=trade, began_s=environ.get(BEGAN))
        return self._answer(order, environ, tracing.current())

    def place_later(self, trade: Trade, environ: Environ, done: TakeAnswer) -> None:
        """Place an order without a thread that waits for it."""

        def take(order: Order | Exception) -> None:
            done(order if isinstance(order, Exception) else self._answer(order, environ, span))

        span, loop = tracing.current(), environ.get(EVENT_LOOP)
        services.place_order_later(trade=trade, began_s=environ[BEGAN], loop=loop, done=take)

    def _answer(self, order: Order, environ: Environ, span: Span | None) -> ReadyAnswer:
        if span is not None:
            span.attributes["order_no"] = order.order_no
        dialect = COURSE if environ.get(IS_COURSE) else self._dialect
        body = encode(dialect.placed.from_core(order))
        headers = [
            *self._headers,
            length(body),
            *environ[ANSWER_HEADERS].items(),
            *dialect.placed_headers(order),
        ]
        return dialect.placed_status, headers, body, self._placed
