"""
The addresses of hosts, resolved anew for each connection.

A name may lead elsewhere when its host was replaced. The system's resolver has no timeout, so it is
asked in a thread, one for each name; while it is silent, or fails, the addresses that it told last
are taken (I10).
"""

import socket
import threading
from collections.abc import Callable, Sequence

KNOWN_WAIT_S = 0.1
"""How long the resolver is waited for when it has told the addresses of a name before."""
NAMES_MAX = 1024
"""Names whose addresses are remembered; all are forgotten when there are more."""

ResolvedAddress = tuple[socket.AddressFamily, str, int]
"""Family, address in digits, and the scope of an IPv6 address."""
LookUp = Callable[[str], Sequence[ResolvedAddress]]


def look_up(host: str, flags: int = 0) -> list[ResolvedAddress]:
    """Return the addresses of a host, the best first. Raises OSError: none is known."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return [
        (family, str(address[0]), int(address[3]) if family is socket.AF_INET6 else 0)  # type: ignore[misc]
        for family, _, _, _, address in found
    ]


class _Question:
    """One look-up under way, and what came of it."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.found: Sequence[ResolvedAddress] = ()
        self.error: OSError | None = None


class Resolver:
    """Resolves names within a time; safe for many threads."""

    def __init__(self, look_up: LookUp = look_up) -> None:
        """look_up: blocks for as long as it likes."""
        self._look_up = look_up
        self._lock = threading.Lock()
        self._known: dict[str, Sequence[ResolvedAddress]] = {}
        self._asked: dict[str, _Question] = {}

    def resolve(self, host: str, timeout_s: float) -> Sequence[ResolvedAddress]:
        """Return the addresses of a name. Raises OSError: none is known in time."""
        with self._lock:
            known = self._known.get(host, ())
            question = self._asked.get(host)
            if question is None:
                question = self._asked[host] = _Question()
                told = (host, question)
                threading.Thread(target=self._ask, args=told, name="resolve", daemon=True).start()
        is_over = question.is_over.wait(min(timeout_s, KNOWN_WAIT_S) if known else timeout_s)
        if question.found or known:
            return question.found or known
        if is_over and question.error is not None:
            raise question.error
        raise TimeoutError(f"the name {host} was not resolved within {timeout_s:g} s")

    def _ask(self, host: str, question: _Question) -> None:
        try:
            question.found = self._look_up(host)
        except OSError as error:
            question.error = error
        with self._lock:
            if question.found:
                if len(self._known) >= NAMES_MAX:
                    self._known.clear()
                self._known[host] = question.found
            del self._asked[host]
        question.is_over.set()


_resolver = Resolver()


def resolve(host: str, timeout_s: float) -> Sequence[ResolvedAddress]:
    """Return the addresses of a name or an address. Raises OSError: none is known in time."""
    try:
        return look_up(host, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return _resolver.resolve(host, timeout_s)
