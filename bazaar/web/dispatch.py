"""
Threads for requests that may wait, and how a server sorts requests.

A lane has threads of its own and a bounded queue, so waiting trades never hold up anything else
(I10). A thread that has nothing to do for a while ends, and closes its database connections.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from django.db import connections

from bazaar.core.failures import Busy
from bazaar.protocol.codec import encode
from bazaar.protocol.http1 import RequestRefusedError
from bazaar.runtime.log_lines import get_log
from bazaar.web.endpoint import JSON, PUBLIC_BODY_BYTES_MAX, Environ, Lane, shape_error
from bazaar.web.errors import describe

log = get_log("bazaar.web.server")

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]
WholeAnswer = tuple[str, Headers, bytes]
"""Status line, headers and body."""


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How many requests of one lane may run, and how many may wait."""

    threads_max: int
    waiting_max: int


class LaneThreads:
    """The threads of one lane, started when they are needed."""

    def __init__(self, name: str, limits: LaneLimits, idle_s: float) -> None:
        """idle_s: a thread that had no work for so long ends."""
        self._name, self._limits, self._idle_s = name, limits, idle_s
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = self._under_way = 0

    def submit(self, work: Callable[[], None]) -> bool:
        """Run `work` in a thread; return False when too much waits already."""
        limits = self._limits
        with self._lock:
            if self._under_way >= limits.threads_max + limits.waiting_max:
                return False
            if self._count <= self._under_way and self._count < limits.threads_max:
                self._start_one()
            if not self._count:
                return False
            self._under_way += 1
            self._queue.put(work)
        return True

    def _start_one(self) -> None:
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:  # the process may have no more of them
            log.exception("thread could not be started", lane=self._name)
        else:
            self._count += 1

    def _run(self) -> None:
        try:
            while (work := self._take()) is not None:
                try:
                    work()
                except Exception:
                    log.exception("work broke", lane=self._name)
                with self._lock:
                    self._under_way -= 1
        finally:
            connections.close_all()

    def _take(self) -> Callable[[], None] | None:
        """Return the next work; None: this thread ends."""
        try:
            return self._queue.get(timeout=self._idle_s)
        except Empty:
            with self._lock:
                if not self._queue.empty():
                    return self._queue.get()
                self._count -= 1
            return None


def shape_busy(environ: Environ, body: bytes) -> WholeAnswer:
    """Return the refusal of a request for which no thread is free."""
    error = describe(Busy())
    assert error is not None, "Busy is described"
    content = encode(shape_error(error, environ))
    status = f"{error.code} {HTTPStatus(error.code).phrase}"
    return status, [("Content-Type", JSON), *error.headers.items()], content


@dataclass(frozen=True, slots=True)
class Admission:
    """What the head of a request says about how it is served."""

    lane: Lane = Lane.LOCAL
    body_bytes_max: int = PUBLIC_BODY_BYTES_MAX
    answer_now: Callable[[Environ], WholeAnswer | None] | None = None
    """Answers without waiting, in the thread that reads; None: it needs a thread of its lane."""
    refuse_busy: Callable[[Environ, bytes], WholeAnswer] = shape_busy
    """Shapes the refusal for a full lane, of environ and body."""
    answer_later: Callable[[Environ, Callable[[WholeAnswer], None]], None] | None = None
    """Begins a request without a thread of a lane; the answer is given once, from any thread."""


class HeadRefusedError(RequestRefusedError):
    """A request that the service refuses by its head, with an answer of its own."""

    def __init__(self, answer: WholeAnswer) -> None:
        """answer: what is sent instead of reading the body."""
        super().__init__(HTTPStatus(int(answer[0][:3])), "The request is refused by its head.")
        self.answer = answer


class Service(Protocol):
    """What a server serves: a WSGI application that can look at a head first."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request as WSGI has it."""
        ...

    def admit(self, environ: Environ, *, has_body: bool) -> Admission:
        """Return how a request is served. Raises RequestRefusedError: before its body is read."""
        ...


@dataclass(frozen=True, slots=True)
class PlainService:
    """Any WSGI application, whose every request is treated alike."""

    application: Application
    admission: Admission = field(default_factory=Admission)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        return self.application(environ, start_response)

    def admit(self, environ: Environ, *, has_body: bool) -> Admission:
        """Return the admission that all requests have."""
        return self.admission


class Dispatcher:
    """The lanes of one server."""

    def __init__(self, lanes: Mapping[Lane, LaneLimits], name: str, idle_s: float) -> None:
        """lanes: those that are not named share the threads of Lane.LOCAL."""
        self._lanes = {
            lane: LaneThreads(f"{name} {lane}", limits, idle_s) for lane, limits in lanes.items()
        }
        self._local = self._lanes[Lane.LOCAL]

    def submit(self, lane: Lane, work: Callable[[], None]) -> bool:
        """Run `work` in a thread of a lane; return False when too much waits there."""
        return self._lanes.get(lane, self._local).submit(work)


def call_application(application: Application, environ: Environ) -> WholeAnswer:
    """Return status, headers and body of an application's answer. Raises what it raises."""
    status, headers, written = "", Headers(), list[bytes]()

    def start_response(
        a_status: str, some_headers: Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        nonlocal status, headers
        assert exc_info or not status, "an answer is started once"
        status, headers = a_status, some_headers
        return written.append

    content = application(environ, start_response)
    try:
        pieces = list(content)
    finally:
        if close := getattr(content, "close", None):
            close()
    assert status, "an answer is started"
    return status, headers, b"".join(written + pieces)
