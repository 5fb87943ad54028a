"""
The Python client of the bazaar (DESIGN 6): `Client(urls)` asks stocks, trades and looks orders up.

It tries again, each trade under one key, on the next front end when one fails, until its deadline;
the rules are in `bazaar.client.exchange`. Every thread may use the same client: each gets
connections of its own.
"""

import threading
from collections.abc import Sequence
from typing import Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4
from weakref import WeakSet

import requests
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError

from bazaar import clock
from bazaar.client import exchange
from bazaar.client.answers import Leadership, Order, Stock
from bazaar.client.exchange import Call, Limits, Lost, Question
from bazaar.client.reading import one_line
from bazaar.core.types import TradeType
from bazaar.protocol.http1 import Reply

CONNECT_TIMEOUT_S = 3.0
"""Until a front end that does not take the connection is given up; less when time is short."""
ANSWER_BYTES_MAX = 1024 * 1024
CHUNK_BYTES = 64 * 1024
T = TypeVar("T")


class BadUrl(ValueError):  # noqa: N818 - it is a fact about the argument
    """The address of a front end is not usable; the message is one sentence."""


def check_url(url: str) -> str:
    """Return the address of a front end without the slash at its end. Raises BadUrl."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if (
        not is_right
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not url.isprintable()
    ):
        raise BadUrl(f"{url!r} is not the address of a front end, such as http://127.0.0.1:30001.")
    return url.rstrip("/")


class Client:
    """Asks one of several front ends, the last that answered first; safe for many threads."""

    def __init__(self, urls: Sequence[str], limits: Limits | None = None) -> None:
        """
        Ask these front ends; connects when it is first used.

        urls: at least one, such as http://127.0.0.1:30001. Raises BadUrl.
        """
        if not urls:
            raise BadUrl("The address of at least one front end is needed.")
        self.urls = tuple(check_url(url) for url in urls)
        self.limits = limits or Limits()
        self._first = 0
        self._own = threading.local()
        self._sessions: WeakSet[requests.Session] = WeakSet()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections; the next question opens new ones."""
        with self._lock:
            sessions = tuple(self._sessions)
        for session in sessions:
            session.close()

    def query(self, stock_name: str, *, is_fresh: bool = False) -> Stock:
        """
        Return a stock; is_fresh: from the catalog, past every cache.

        Raises Refused (404: there is none), Unreachable, BadAnswer.
        """
        return self.ask(exchange.ask_stock(stock_name, is_fresh=is_fresh))

    def order(self, order_no: int, *, is_fresh: bool = False) -> Order:
        """
        Return an order; is_fresh: from an order replica, past every cache.

        Raises Refused (404: there is none), Unreachable, BadAnswer.
        """
        return self.ask(exchange.ask_order(order_no, is_fresh=is_fresh))

    def trade(
        self, stock_name: str, trade_type: TradeType, quantity: int, key: UUID | None = None
    ) -> Order:
        """
        Buy or sell shares, once, and return the order.

        key: of a trade that is repeated; without it this is a new one. Raises Refused,
        Unreachable (definite), Indefinite, BadAnswer (indefinite): both carry the key.
        """
        return self.ask(exchange.ask_trade(key or uuid4(), stock_name, trade_type, quantity))

    def leader(self) -> Leadership:
        """Return who leads, as far as a front end knows. Raises Refused, Unreachable, BadAnswer."""
        return self.ask(exchange.ask_leader())

    def ask(self, question: Question[T]) -> T:
        """Ask until there is an answer or no time. Raises ClientError."""
        steps = exchange.attempts(
            question, self.limits, clock.monotonic_s, urls=len(self.urls), first=self._first
        )
        return exchange.run(steps, self._call, clock.wait)

    def _call(self, call: Call) -> Reply:
        """Send one request. Raises Lost."""
        url, request = self.urls[call.url], call.request
        until_s = clock.monotonic_s() + call.timeout_s
        try:
            with self._session().request(
                request.method,
                url + request.target,
                headers=dict(request.headers),
                data=request.body or None,
                timeout=(min(CONNECT_TIMEOUT_S, call.timeout_s), call.timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                reply = Reply(response.status_code, headers, _read(response, until_s))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _lost(url, error) from error
        self._first = call.url
        return reply

    def _session(self) -> requests.Session:
        """Return this thread's own connections."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.trust_env = False  # no proxy, no password file: the bazaar is next door
            session.headers["Accept-Encoding"] = "identity"
            with self._lock:
                self._sessions.add(session)
        return session


def _read(response: requests.Response, until_s: float) -> bytes:
    """Return the body. Raises OSError when it is long, or slow."""
    content = b""
    while chunk := response.raw.read1(CHUNK_BYTES):  # what is there: `read` waits for all of it
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise OSError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        if clock.monotonic_s() > until_s:
            raise OSError("the answer did not end in time")
    return content


def _lost(url: str, error: Exception) -> Lost:
    """Return what a failed attempt says to a person, and whether it was sent."""
    reason = error.args[0] if error.args else error
    if isinstance(reason, MaxRetryError):  # nothing is repeated below us: it never got through
        return Lost(f"{url} cannot be reached: {_words(reason.reason)}.", was_sent=False)
    if isinstance(error, ValueError | LocationParseError):
        return Lost(f"{url} cannot be reached: {_words(error)}.", was_sent=False)
    if isinstance(error, requests.ReadTimeout):
        return Lost(f"{url} did not answer in time.", was_sent=True)
    return Lost(f"{url} did not answer: {_words(error)}.", was_sent=True)


def _words(error: BaseException | None) -> str:
    """Return the reason at the bottom of an error, in a few words."""
    bottom = error
    while bottom is not None and (below := bottom.__cause__ or bottom.__context__):
        bottom = below
    words = getattr(bottom, "strerror", None) or str(bottom) or type(bottom).__name__
    return one_line(str(words)).rstrip(".")
