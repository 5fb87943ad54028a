"""
Client authentication: which clients may call a public endpoint.

A client shows an access token (`Authorization: Bearer`), or is anonymous. Without one it may read;
it may trade only at a front end that listens on loopback, or where BAZAAR_ANONYMOUS_TRADES says so.
A token that is not good is refused everywhere. Every refusal is a `Failure`, which the endpoint
shapes. A request is checked by its head, before a thread or a body of any size is taken: a hash and
a look-up in a dictionary (docs/adr/0038).
"""

import threading
from collections.abc import Callable, Hashable
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address

from django.conf import settings

from bazaar import clock
from bazaar.core.access import AccessToken, Scope
from bazaar.core.failures import Failure, TokenRefused, TokenRequired
from bazaar.core.rate_limiter import CallerLimiter, RateLimit
from bazaar.protocol.errors import BEARER
from bazaar.runtime.token_file import TokenWatch
from bazaar.settings.env import Limits
from bazaar.web.endpoint import Environ

ADDRESSES_CACHED_MAX = 4096
_SCHEME = BEARER.lower()
_SITE_BITS = 64
"""The part of an IPv6 address that one site or machine has to itself."""
Now = Callable[[], float]


class ClientGate:
    """The clients of one process; safe for many threads."""

    def __init__(
        self,
        watch: TokenWatch,
        limits: Limits,
        *,
        anonymous_trades: bool | None = None,
        wall_s: Now = clock.wall_s,
        monotonic_s: Now = clock.monotonic_s,
    ) -> None:
        """anonymous_trades: whether trades need no token; None: only at a loopback listener."""
        self.watch, self._anonymous_trades = watch, anonymous_trades
        self._wall_s, self._monotonic_s = wall_s, monotonic_s
        self._tokens = _make_limiter("token", limits.token_requests_max, limits)
        self._addresses = _make_limiter("address", limits.address_requests_max, limits)
        self._lock = threading.Lock()

    @property
    def counts_addresses(self) -> bool:
        """Whether a request without a token is counted."""
        return self._addresses is not None

    def check(self, environ: Environ, *, is_trade: bool) -> str | None:
        """
        Return the name of the token that a request shows; None: it shows none.

        Raises TokenRequired, TokenRefused, AccessDenied, TokensUnavailable, RateLimited: definite.
        """
        authorization = environ.get("HTTP_AUTHORIZATION")
        try:
            token = None if authorization is None else self._find_token(authorization)
        except Failure:
            self._count(self._addresses, environ, None)
            raise
        if token is None:
            self._count(self._addresses, environ, None)
            if is_trade and not self._is_open(environ):
                raise TokenRequired
            return None
        self._count(self._tokens, environ, token)
        if is_trade:
            token.check_scope(Scope.TRADE)
        return token.name

    def _find_token(self, authorization: str) -> AccessToken | None:
        """Return the token of a header; None: it has another scheme, such as a member's."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        if "," in text:
            raise TokenRefused("Authorization was given twice; send one token.")
        return self.watch.tokens.find(text.strip(" "), self._wall_s())

    def _is_open(self, environ: Environ) -> bool:
        """Tell whether anybody may trade at the listener of a request."""
        if self._anonymous_trades is not None:
            return self._anonymous_trades
        return is_loopback(environ.get("SERVER_NAME", ""))

    def _count(
        self, limiter: CallerLimiter | None, environ: Environ, token: AccessToken | None
    ) -> None:
        """Count a request against a limit. Raises RateLimited (definite)."""
        if limiter is not None:
            caller = token.name if token else caller_of(environ.get("REMOTE_ADDR", ""))
            with self._lock:
                limiter.count(caller, self._monotonic_s())


def _make_limiter(name: str, count_max: int, limits: Limits) -> CallerLimiter | None:
    """Return the limiter for so many requests; None: there is no limit."""
    if not count_max:
        return None
    return CallerLimiter(RateLimit(name, count_max, limits.rate_window_s))


@lru_cache(ADDRESSES_CACHED_MAX)
def is_loopback(host: str) -> bool:
    """Tell whether a listener at this address is reached from its own machine only."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@lru_cache(ADDRESSES_CACHED_MAX)
def caller_of(address: str) -> Hashable:
    """Return what an address is counted as; a caller has a whole /64 of IPv6."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return found
    return found.ipv4_mapped or int(found) >> _SITE_BITS


@cache
def gate() -> ClientGate:
    """Return the gate of this process."""
    watch = TokenWatch(settings.BAZAAR_TOKENS_FILE, is_expected=settings.BAZAAR_TOKENS_EXPECTED)
    anonymous = settings.BAZAAR_ANONYMOUS_TRADES
    return ClientGate(watch, settings.BAZAAR_LIMITS, anonymous_trades=anonymous)
