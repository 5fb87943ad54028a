"""Raw exchanges: send an attempt as it is to be sent, and judge what comes back."""

import json
import select
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes
from uuid import UUID

from bazaar.clock import monotonic_s
from tests.support.hostile import Attempt, Ending, HostilePort
from tests.support.routes import HEALTH, METRICS

READ_BYTES = 65536
ANSWER_S = 20.0
"""How long an answer may take."""
_LINGER_NONE = struct.pack("ii", 1, 0)
_HEAD_END = b"\r\n\r\n"
_VERSION = b"HTTP/1.1 "
_BODYLESS = (204, 304)
_PLACED, _INTERIM_MAX, _REDIRECT = (200, 201), 199, 300
_UNAVAILABLE, _MISTAKE = 503, 500
GOOD = frozenset((200, 201, 206, 302, 304))
REFUSED = frozenset((400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 416, 422, 429, 431))


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the connection ends with it."""
        return self.headers.get("connection", "").lower() == "close"


@dataclass(slots=True)
class AnswerReader:
    """Takes bytes and finds the answers in them."""

    methods: list[bytes]
    received: bytes = b""
    answers: list[RawAnswer] = field(default_factory=list)
    fault: str = ""

    def feed(self, piece: bytes, *, is_end: bool = False) -> None:
        """Take bytes, or the end."""
        self.received += piece
        while not self.fault and self._take_one(is_end=is_end):
            pass
        if is_end and self.received and not self.fault:
            self.fault = f"the end of an answer is missing: {self.received[:200]!r}"

    def _take_one(self, *, is_end: bool) -> bool:
        head, end, rest = self.received.partition(_HEAD_END)
        if not end:
            return False
        line, *lines = head.decode("latin-1").split("\r\n")
        version, _, status = line.partition(" ")
        if version != "HTTP/1.1" or not status[:3].isdigit():
            self.fault = f"this is no answer: {line[:200]!r}"
            return False
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        answer = RawAnswer(int(status[:3]), headers, b"")
        if answer.status <= _INTERIM_MAX:
            self.received = rest
            return True
        length = self._length(answer, rest, is_end=is_end)
        if length is None or len(rest) < length:
            return False
        self.answers.append(RawAnswer(answer.status, headers, rest[:length]))
        self.received = rest[length:]
        return True

    def _length(self, answer: RawAnswer, rest: bytes, *, is_end: bool) -> int | None:
        """Return how long the body is; None: more must come before it can be told."""
        told = answer.headers.get("content-length", "")
        if answer.status in _BODYLESS:
            return 0
        if not told.isdigit():
            self.fault = f"an answer without a length: {answer.status} {answer.headers}"
            return None
        # Which request it answers is uncertain where one was cut; no body begins like an answer.
        if rest.startswith(_VERSION) or (is_end and not rest and b"HEAD" in self.methods):
            return 0
        number = len(self.answers)
        is_head = number < len(self.methods) and self.methods[number] == b"HEAD"
        # The server may refuse a HEAD that it has not read, with a body.
        is_open = is_head and answer.is_last and not is_end
        if is_open or (rest and _VERSION.startswith(rest)):
            return None
        return int(told) if not is_head or (answer.is_last and rest) else 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt."""

    attempt: Attempt
    answers: tuple[RawAnswer, ...]
    fault: str
    seconds: float

    @property
    def placed(self) -> list[UUID]:
        """The keys of trades that were acknowledged."""
        return [key for one in self.answers if one.status in _PLACED and (key := _key_of(one))]

    @property
    def uncertain(self) -> list[UUID]:
        """The keys of trades that may have been placed."""
        failed = [one for one in self.answers if one.headers.get("bazaar-definite") == "false"]
        return [*self.attempt.keys, *(key for one in failed if (key := _key_of(one)))]


def _key_of(answer: RawAnswer) -> UUID | None:
    key = answer.headers.get("idempotency-key")
    return UUID(key) if key else None


def exchange(port: HostilePort, attempt: Attempt) -> Outcome:
    """Send an attempt and read what it gets."""
    began_s, reader = monotonic_s(), AnswerReader(list(attempt.methods))
    is_whole, fault = False, ""
    try:
        with socket.create_connection(port.address, ANSWER_S) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _send(sock, attempt, reader)
            is_whole = _finish(sock, attempt, reader)
    except TimeoutError:
        fault = f"unanswered for {ANSWER_S:g} s"
    except OSError as error:
        fault = "" if reader.answers and reader.answers[-1].is_last else f"dropped: {error}"
    if attempt.ending in (Ending.RESET, Ending.LEAVE):
        return Outcome(attempt, (), "", monotonic_s() - began_s)
    fault = fault or reader.fault or _judge(port, attempt, reader.answers, is_end=is_whole)
    return Outcome(attempt, tuple(reader.answers), fault, monotonic_s() - began_s)


def _send(sock: socket.socket, attempt: Attempt, reader: AnswerReader) -> None:
    """Send all pieces, and read meanwhile: a server that refuses does not read all of them."""
    for pause_s, piece in attempt.pieces:
        rest = memoryview(piece)
        if pause_s:
            select.select([], [], [], pause_s)
        while rest:
            readable, writable, _ = select.select([sock], [sock], [], ANSWER_S)
            if not (readable or writable):
                raise TimeoutError
            if readable:
                received = sock.recv(READ_BYTES)
                reader.feed(received)
                if not received:
                    return
            if writable:
                rest = rest[sock.send(rest[:READ_BYTES]) :]


def _finish(sock: socket.socket, attempt: Attempt, reader: AnswerReader) -> bool:
    """End as the attempt ends; return whether the end was read."""
    if attempt.ending is Ending.RESET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        return False
    if attempt.ending is Ending.LEAVE:
        return False
    if attempt.ending is Ending.HALF_CLOSE:
        with suppress(OSError):  # the server may have ended it already
            sock.shutdown(socket.SHUT_WR)
    count = len(attempt.methods) if attempt.ending is Ending.AWAIT else -1
    while not reader.fault and len(reader.answers) != count:
        received = sock.recv(READ_BYTES)
        reader.feed(received, is_end=not received)
        if not received:
            return True
    return False


def _judge(port: HostilePort, attempt: Attempt, answers: list[RawAnswer], *, is_end: bool) -> str:
    """Return what is wrong with the answers; empty: nothing."""
    wanted = len(attempt.methods) if attempt.is_framed else min(1, len(attempt.methods))
    is_ended = bool(answers) and answers[-1].is_last
    if len(answers) < wanted and not is_ended:
        return f"{len(answers)} answers to {wanted} requests"
    if attempt.is_framed and is_end and len(answers) > wanted:
        return f"{len(answers)} answers to {wanted} requests: {answers[-1]}"
    if any(one.is_last for one in answers[:-1]):
        return "an answer after the last one"
    faults = (_judge_one(port, attempt, answer) for answer in answers)
    return next((fault for fault in faults if fault), "")


def _is_of_probe(attempt: Attempt, answer: RawAnswer) -> bool:
    """Tell whether anybody gets such an answer: health, its page, or what OPTIONS and HEAD say."""
    sent, body = unquote_to_bytes(attempt.content), answer.body
    paths = [path.encode() for path in (*HEALTH, *METRICS) if path.encode() in sent]
    marks = (b'"path":"%b"', b"<title>%b ")
    is_described = any(mark % path in body for path in paths for mark in marks)
    return bool(paths) and (is_described or not body or body.startswith(b'{"status":"'))


def _judge_one(port: HostilePort, attempt: Attempt, answer: RawAnswer) -> str:
    status = answer.status
    if status == _UNAVAILABLE and "retry-after" not in answer.headers:
        return f"503 without Retry-After: {answer.body[:300]!r}"
    if status >= _MISTAKE and status != _UNAVAILABLE:
        return f"{status}: {answer.body[:300]!r}"
    if status not in GOOD | REFUSED | {_UNAVAILABLE}:
        return f"unexpected status {status}: {answer.body[:300]!r}"
    is_inner = bool(port.receiver) and not port.is_public
    is_open = attempt.is_signed or _is_of_probe(attempt, answer)
    if is_inner and status < _REDIRECT and not is_open:
        return f"{status} without a signature: {answer.body[:300]!r}"
    if answer.headers.get("content-type") == "application/json" and answer.body:
        try:
            json.loads(answer.body)
        except ValueError as error:
            return f"the answer is no JSON ({error}): {answer.body[:300]!r}"
    return ""
