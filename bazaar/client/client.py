"""
The Python client of the bazaar (docs/DESIGN.md 6).

It retries until its deadline, each trade under one key, and on the next front end when one fails;
the rules are in `bazaar.client.exchange`. Threads may share a client: a connection serves one call
at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Self, TypeVar
from uuid import UUID, uuid4

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ReadTimeoutError,
)

from bazaar import clock
from bazaar.client import exchange
from bazaar.client.answers import (
    ClientError,
    ClusterAnswer,
    LeaderAnswer,
    OrderAnswer,
    OrderPage,
    StockAnswer,
    StockPage,
)
from bazaar.client.client_dialects import V1, ClientDialect
from bazaar.client.exchange import ApiCall, Attempt, AttemptFailed, Timeouts
from bazaar.client.front_end_url import BadUrl, check_url
from bazaar.client.reading import one_line
from bazaar.core.types import Trade, TradeType
from bazaar.protocol.http1 import Reply
from bazaar.protocol.tls import find_public_context
from bazaar.protocol.traces import TradeTrace

CONNECT_TIMEOUT_S = 3.0
"""For a front end to accept the connection; less when the deadline is near."""
ANSWER_BYTES_MAX = 1024 * 1024
CHUNK_BYTES = 64 * 1024
PAGE_ITEMS_MAX = 200
"""Stocks or orders that are asked for at once."""
KEPT_CONNECTIONS_MAX = 64
"""To each front end, of all threads together."""
_UNSENT = (NewConnectionError, ConnectTimeoutError, LocationValueError, UnicodeError)
"""Errors that come before a request is sent; UnicodeError: the name of the host."""
_NO_HANDSHAKE = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
"""Reasons of an SSLError before a request is sent; with another one it may have been."""
_UNTRUSTED = (
    " A command trusts the CA of a cluster whose data folder --data (or BAZAAR_DATA_DIR) names, "
    "and those of the system."
)
T = TypeVar("T")
Page = TypeVar("Page", StockPage, OrderPage)


class Client:
    """Calls one of several front ends, first the one that answered last; thread-safe."""

    def __init__(
        self,
        urls: Sequence[str],
        timeouts: Timeouts | None = None,
        token: str | None = None,
        dialect: ClientDialect = V1,
    ) -> None:
        """
        Call these front ends; connects when it is first used.

        urls: at least one, such as http://127.0.0.1:30001. token: of `manage.py token create`, sent
        with each call. dialect: of all calls but the lists and the cluster. Raises BadUrl.
        """
        if not urls:
            raise BadUrl("The address of at least one front end is needed.")
        self.urls = tuple(check_url(url) for url in urls)
        self.timeouts = timeouts or Timeouts()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._dialect, self._first = dialect, 0
        self._is_secured = any(url.startswith("https:") for url in self.urls)
        self._pools = PoolManager(len(self.urls), retries=False, maxsize=KEPT_CONNECTIONS_MAX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        self._pools.clear()

    def query(self, stock_name: str, *, is_fresh: bool = False) -> StockAnswer:
        """
        Return a stock; is_fresh: from the catalog, past every cache.

        Raises Refused (404: there is none), NoAnswer, BadAnswer.
        """
        return self.send(exchange.build_query(self._dialect, stock_name, is_fresh=is_fresh))

    def order(self, order_no: int, *, is_fresh: bool = False) -> OrderAnswer:
        """
        Return an order; is_fresh: from an order replica, past every cache.

        Raises Refused (404: there is none), NoAnswer, BadAnswer.
        """
        return self.send(exchange.build_order_query(self._dialect, order_no, is_fresh=is_fresh))

    def trade(
        self, stock_name: str, trade_type: TradeType, quantity: int, key: UUID | None = None
    ) -> OrderAnswer:
        """
        Buy or sell shares, once, and return the order.

        key: of a trade that is repeated; without it this is a new one. Raises Refused,
        NoAnswer (definite), Indefinite, BadAnswer (indefinite): both carry the key.
        """
        trade = Trade(key or uuid4(), stock_name, trade_type, quantity)
        return self.send(exchange.build_trade(self._dialect, trade))

    def leader(self) -> LeaderAnswer:
        """Return the leader that a front end knows. Raises Refused, NoAnswer, BadAnswer."""
        return self.send(exchange.build_leader_query(self._dialect))

    def cluster(self) -> ClusterAnswer:
        """Return the order replicas, of v1. Raises Refused, NoAnswer, BadAnswer."""
        return self.send(exchange.build_cluster_query())

    def stocks(self, text: str | None = None, limit: int = PAGE_ITEMS_MAX) -> Iterator[StockAnswer]:
        """
        Yield all stocks by name, of v1, asking for a page when it is needed.

        text: what their names contain, in any case of ASCII letters. limit: stocks in a page.
        Raises Refused, NoAnswer, BadAnswer.
        """
        for page in self._pages(lambda cursor: exchange.build_stock_list(text, cursor, limit)):
            yield from page.stocks

    def orders(
        self,
        stock_name: str | None = None,
        trade_type: TradeType | None = None,
        limit: int = PAGE_ITEMS_MAX,
    ) -> Iterator[OrderAnswer]:
        """
        Yield all orders, or those of a stock and of a type, the newest first, of v1.

        Asks for a page of at most `limit` orders when it is needed. Raises Refused, NoAnswer,
        BadAnswer.
        """
        for page in self._pages(
            lambda cursor: exchange.build_order_list(stock_name, trade_type, cursor, limit)
        ):
            yield from page.orders

    def trace(self, wanted: int | UUID) -> TradeTrace:
        """
        Return who did what when for a trade: by its order's number, or by its key.

        Raises Refused (404: there is no such order, or nobody remembers the trade), NoAnswer,
        BadAnswer.
        """
        return self.send(exchange.build_trace_query(wanted))

    def send(self, call: ApiCall[T]) -> T:
        """Send a call until there is an answer or no time. Raises ClientError."""
        steps = exchange.attempts(
            call, self.timeouts, clock.monotonic_s, urls=len(self.urls), first=self._first
        )
        try:
            return exchange.run(steps, self._attempt, clock.wait)
        except ClientError as error:
            if error.problem:
                error.problem = self.urls[self._first] + error.problem
            raise

    def _pages(self, build: Callable[[str | None], ApiCall[Page]]) -> Iterator[Page]:
        """Yield the pages of a list; build: returns the call for the one at a cursor."""
        cursor: str | None = None
        while True:
            page = self.send(build(cursor))
            yield page
            if (cursor := page.next_cursor) is None:
                return

    def _attempt(self, attempt: Attempt) -> Reply:
        """Send one request. Raises AttemptFailed."""
        url, request = self.urls[attempt.url], attempt.request
        until_s = clock.monotonic_s() + attempt.timeout_s
        limits = Timeout(min(CONNECT_TIMEOUT_S, attempt.timeout_s), attempt.timeout_s)
        if self._is_secured:  # with another one than before, it opens new connections
            self._pools.connection_pool_kw["ssl_context"] = find_public_context()
        try:
            with self._pools.request(
                request.method,
                url + request.target,
                headers={**self._headers, **dict(request.headers)},
                body=request.body or None,
                timeout=limits,
                redirect=False,
                preload_content=False,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                reply = Reply(response.status, headers, _read(response, until_s))
        except (HTTPError, OSError, ValueError) as error:
            raise _failed(url, error) from error
        self._first = attempt.url
        return reply


def _read(response: BaseHTTPResponse, until_s: float) -> bytes:
    """Return the body. Raises OSError: it is too long or too slow."""
    content = b""
    while chunk := response.read1(CHUNK_BYTES):  # what has arrived: `read` waits for all of it
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise OSError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        if clock.monotonic_s() > until_s:
            raise OSError("the answer did not end in time")
    return content


def _failed(url: str, error: Exception) -> AttemptFailed:
    """Return a failed attempt as a sentence, and whether it was sent."""
    reason = getattr(error.__context__, "reason", "")
    if isinstance(error, _UNSENT) or reason in _NO_HANDSHAKE:
        hint = _UNTRUSTED if reason == _NO_HANDSHAKE[0] else ""
        return AttemptFailed(f"{url} cannot be reached: {_words(error)}.{hint}", was_sent=False)
    if isinstance(error, ReadTimeoutError):
        return AttemptFailed(f"{url} did not answer in time.", was_sent=True)
    return AttemptFailed(f"{url} did not answer: {_words(error)}.", was_sent=True)


def _words(error: BaseException | None) -> str:
    """Return the innermost reason of an error, in a few words."""
    bottom = error
    while bottom is not None and (below := bottom.__cause__ or bottom.__context__):
        bottom = below
    words = getattr(bottom, "strerror", None) or str(bottom) or type(bottom).__name__
    return one_line(str(words)).rstrip(".")
