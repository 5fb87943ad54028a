"""Attackers, each in a process of its own: they hold connections, or send at a bounded rate."""

import multiprocessing
import resource
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Protocol

from bazaar.clock import monotonic_s

TICK_S = 0.02
CONNECT_S, READY_S, END_S = 5.0, 60.0, 20.0
READ_BYTES = 65536
NUMBER = b"7000000"
"""Replaced by a number of the same length, another one in each request."""
Address = tuple[str, int]


class Attack(Protocol):
    """What an attacker does; it is handed to another process."""

    def begin(self, address: Address) -> "Attacker":
        """Return what carries it out."""
        ...


class Attacker(Protocol):
    """An attack under way."""

    answers: Counter[str]

    @property
    def is_ready(self) -> bool:
        """Whether it is at its height."""
        ...

    def tick(self) -> None:
        """Go on for a moment, without waiting."""
        ...

    def close(self) -> None:
        """End all connections."""
        ...


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold so many connections; each sends a beginning, then a drop now and then."""

    connections: int
    opening: bytes = b""
    drop: bytes = b""
    period_s: float = 1.0
    is_half_closed: bool = False
    opened_a_tick: int = 20
    """At most, so that opening thousands of connections is no attack of its own."""

    def begin(self, address: Address) -> "Holder":
        """Return what carries it out."""
        return Holder(self, address)


@dataclass(slots=True)
class Holder:
    """Connections that are held; those that the server ends are opened again."""

    attack: Hold
    address: Address
    answers: Counter[str] = field(default_factory=Counter)
    _socks: list[socket.socket] = field(default_factory=list)
    _next: int = 0
    _opened: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether so many connections were opened; the server may have ended some."""
        return self._opened >= self.attack.connections

    def tick(self) -> None:
        """Open what is missing and send the drops that are due."""
        missing = self.attack.connections - len(self._socks)
        for _ in range(min(missing, self.attack.opened_a_tick)):
            with suppress(OSError):
                self._socks.append(self._open())
                self._opened += 1
        due = int(len(self._socks) * TICK_S / self.attack.period_s) + 1
        for _ in range(min(due, len(self._socks))):
            self._next = (self._next + 1) % len(self._socks)
            self._touch(self._next)

    def close(self) -> None:
        """End all connections."""
        for sock in self._socks:
            sock.close()

    def _open(self) -> socket.socket:
        sock = socket.create_connection(self.address, CONNECT_S)
        sock.settimeout(0)
        sock.send(self.attack.opening)
        if self.attack.is_half_closed:
            sock.shutdown(socket.SHUT_WR)
        return sock

    def _touch(self, index: int) -> None:
        """Send a drop, or open the connection anew when the server has ended it."""
        sock = self._socks[index]
        try:
            received = sock.recv(READ_BYTES)
            self.answers[received[9:12].decode("latin-1") or "end"] += 1
        except BlockingIOError:
            with suppress(OSError):
                sock.send(self.attack.drop)
            return
        except OSError:
            self.answers["reset"] += 1
        sock.close()
        self._socks[index] = self._socks[-1]
        self._socks.pop()
        self._next = 0 if not self._socks else self._next % len(self._socks)


@dataclass(frozen=True, slots=True)
class Flood:
    """Send whole requests in turn at a bounded rate; NUMBER in them grows."""

    requests: tuple[bytes, ...]
    rate: float
    connections: int = 50

    def begin(self, address: Address) -> "Flooder":
        """Return what carries it out."""
        return Flooder(self, address)


@dataclass(slots=True)
class Flooder:
    """Kept connections that take turns."""

    attack: Flood
    address: Address
    answers: Counter[str] = field(default_factory=Counter)
    _free: list[socket.socket] = field(default_factory=list)
    _busy: dict[int, socket.socket] = field(default_factory=dict)
    _poll: "select.epoll" = field(default_factory=select.epoll)
    _sent: int = 0
    _began_s: float = field(default_factory=monotonic_s)

    @property
    def is_ready(self) -> bool:
        """Whether it has sent anything."""
        return self._sent > 0

    def tick(self) -> None:
        """Take answers, and send what is due."""
        for fd, _ in self._poll.poll(0):
            self._take(self._busy.pop(fd))
        due = int((monotonic_s() - self._began_s) * self.attack.rate) - self._sent
        for _ in range(max(0, due)):
            if not self._free and len(self._busy) >= self.attack.connections:
                self._sent += 1  # it would be late: the rate is an upper bound
                continue
            self._send()

    def close(self) -> None:
        """End all connections."""
        self._poll.close()
        for sock in (*self._free, *self._busy.values()):
            sock.close()

    def _send(self) -> None:
        self._sent += 1
        requests = self.attack.requests
        request = requests[self._sent % len(requests)]
        request = request.replace(NUMBER, b"%d" % (int(NUMBER) + self._sent))
        try:
            sock = self._free.pop() if self._free else self._open()
            sock.sendall(request)
        except OSError:
            self.answers["dropped"] += 1
            return
        self._busy[sock.fileno()] = sock
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _open(self) -> socket.socket:
        sock = socket.create_connection(self.address, CONNECT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _take(self, sock: socket.socket) -> None:
        self._poll.unregister(sock.fileno())
        try:
            received = sock.recv(READ_BYTES)
        except OSError:
            received = b""
        self.answers[received[9:12].decode("latin-1") or "end"] += 1
        if received and b"onnection: close" not in received:
            self._free.append(sock)
        else:
            sock.close()


@dataclass(slots=True)
class AttackReport:
    """What an attack was, once it is over."""

    processor_share: float = 0.0
    """Of one processor, while it was at its height."""
    answers: Counter[str] = field(default_factory=Counter)


@contextmanager
def attacking(attack: Attack, address: Address) -> Iterator[AttackReport]:
    """Carry an attack out in another process while the block runs."""
    context, report = multiprocessing.get_context("spawn"), AttackReport()
    ready, ending, receiver = context.Event(), context.Event(), context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(attack, address, ready, ending, receiver[1]), daemon=True
    )
    process.start()
    try:
        assert ready.wait(READY_S), "the attack does not begin"
        yield report
    finally:
        ending.set()
        if receiver[0].poll(END_S):
            report.processor_share, answers = receiver[0].recv()
            report.answers.update(answers)
        process.join(END_S)
        process.kill()


class _Pipe(Protocol):
    def send(self, content: object) -> None: ...


def _run(attack: Attack, address: Address, ready: Event, ending: Event, pipe: _Pipe) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attacker, used_s, began_s = attack.begin(address), 0.0, monotonic_s()
    while not ending.is_set():
        attacker.tick()
        if attacker.is_ready and not ready.is_set():
            ready.set()
            used_s, began_s = time.process_time(), monotonic_s()
        ending.wait(TICK_S)
    share = (time.process_time() - used_s) / max(TICK_S, monotonic_s() - began_s)
    attacker.close()
    pipe.send((share, dict(attacker.answers)))
