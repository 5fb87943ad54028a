"""One stock, in any dialect: answered from memory, or from the catalog."""

from bazaar.clock import monotonic_s
from bazaar.core.types import Stock
from bazaar.protocol.codec import encode
from bazaar.protocol.examples import NameQuery
from bazaar.runtime.metrics import operations
from bazaar.web.endpoint import (
    EVENT_LOOP,
    OK,
    Audience,
    Endpoint,
    Environ,
    Lane,
    ReadyAnswer,
    TakeAnswer,
    get,
)
from frontend_app import services, wiring
from frontend_app.dialects import Dialect
from frontend_app.entries import Source, StockEntry, StockRead
from frontend_app.headers import (
    answer_unless_known,
    cache_status,
    length,
    read_headers,
    standard_headers,
    wants_fresh,
)

_HIT = cache_status(Source.HIT)


class EncodedStock:
    """A stock in one dialect, encoded once."""

    __slots__ = ("body", "hit_headers", "tag")

    def __init__(self, tag: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        """headers: what every answer has."""
        self.tag, self.body = tag, body
        self.hit_headers = (*headers, ("ETag", tag), _HIT, length(body))


class StockViews:
    """The GET of one stock in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        """Make the endpoint, and what counts its answers."""
        self.dialect, self._name = dialect, dialect.name
        self.endpoint = Endpoint(
            dialect.stock_path,
            get(
                self.show,
                dialect.stock_query,
                takes_environ=True,
                lane=Lane.LOOK_UP,
                ready=self.find,
                later=self.show_later,
                doc=dialect.stock_doc,
                is_strict=dialect.is_strict,
                **dialect.errors,
            ),
            audience=Audience.PUBLIC,
        )
        self._headers = standard_headers(self.endpoint.allow)
        self._hit, self._miss, self._fresh = (
            operations.meter(f"GET {dialect.stock_path} {source}").histogram.add
            for source in ("hit", "miss", "fresh")
        )

    def show(self, query: NameQuery, environ: Environ) -> ReadyAnswer:
        """Return one stock."""
        if answer := self.find(query, environ):
            return answer
        is_fresh = wants_fresh(environ)
        read = services.read_stock(stock_name=query.stock_name, is_fresh=is_fresh)
        return self._answer(read, environ, is_fresh=is_fresh)

    def show_later(self, query: NameQuery, environ: Environ, done: TakeAnswer) -> None:
        """Show a stock that memory has not, without a thread that waits for it."""
        is_fresh = wants_fresh(environ)

        def take(read: StockRead | Exception) -> None:
            if isinstance(read, Exception):
                done(read)
            else:
                done(self._answer(read, environ, is_fresh=is_fresh))

        services.read_stock_later(
            stock_name=query.stock_name, is_fresh=is_fresh, loop=environ.get(EVENT_LOOP), done=take
        )

    def find(self, query: NameQuery, environ: Environ) -> ReadyAnswer | None:
        """Return the answer for a stock in memory, or not listed, without waiting."""
        if "HTTP_CACHE_CONTROL" in environ and wants_fresh(environ):
            wiring.stocks().check_listed(query.stock_name, monotonic_s())
            return None
        hit = wiring.stocks().hit(query.stock_name, monotonic_s())
        if hit is None:
            return None
        entry, age_s = hit
        shown = self._encode(entry)
        headers = [*shown.hit_headers, ("Age", str(age_s))]
        return answer_unless_known(environ, shown.tag, headers, shown.body, self._hit)

    def _answer(self, read: StockRead, environ: Environ, *, is_fresh: bool) -> ReadyAnswer:
        stock = read.entry.stock
        if read.is_stale:
            body = encode(self.dialect.stock.from_core(stock, is_stale=True))
            more = read_headers(read, self._tag(stock))
            return OK, [*self._headers, *more, length(body)], body, None
        shown = self._encode(read.entry)
        headers = [*self._headers, *read_headers(read, shown.tag), length(shown.body)]
        count = self._fresh if is_fresh else self._miss
        return answer_unless_known(environ, shown.tag, headers, shown.body, count)

    def _tag(self, stock: Stock) -> str:
        return f'"{stock.version}{self.dialect.tag_suffix}"'

    def _encode(self, entry: StockEntry) -> EncodedStock:
        """Return a stock as it is shown; encoded when it is wanted for the first time."""
        shown: EncodedStock | None = entry.answers.get(self._name)
        if shown is None:
            body = encode(self.dialect.stock.from_core(entry.stock))
            shown = EncodedStock(self._tag(entry.stock), self._headers, body)
            entry.answers[self._name] = shown
        return shown
