"""Heads of requests as WSGI has them, and the answers of the server itself."""

import socket
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from bazaar.protocol.http1 import ParsedRequest, RequestRefusedError
from bazaar.protocol.member_client import encode
from bazaar.web.client_auth import is_loopback
from bazaar.web.dispatch import WholeAnswer
from bazaar.web.endpoint import Environ

KEY = "HTTP_IDEMPOTENCY_KEY"
"""Where a trade carries the key that it was sent with."""
LENGTH = "CONTENT_LENGTH"
_OWN_LINES = (
    (b"\r\nContent-Length: ", LENGTH),
    (b"\r\nIdempotency-Key: ", KEY),
    (b"\r\nAuthorization: ", "HTTP_AUTHORIZATION"),
    (b"\r\ntraceparent: ", "HTTP_TRACEPARENT"),
    (b"\r\nX-Request-ID: ", "HTTP_X_REQUEST_ID"),
)
"""Headers that each request has of its own, as most senders write them."""
UNSTORED = ("Cache-Control", "no-store")
"""Nothing between us and a client may keep an answer: it would be old (I7)."""
PATH_DECODED_BYTES_MAX = 2560
"""
A longer path is of nothing that is served, and is not decoded: the reading thread would wait.

A name of 200 characters takes 2,400 at most.
"""
_PLAIN = ("content-type", "content-length")
"""Headers whose names have no HTTP_ in WSGI."""


def choose_address(listeners: Sequence[socket.socket]) -> tuple[str, int]:
    """Return the address of a listener, of one that others reach if there is one."""
    addresses = [one.getsockname()[:2] for one in listeners]
    host, port = min(addresses, key=lambda address: is_loopback(address[0]))
    return str(host), int(port)


def shared_environ(host: str, port: int) -> Environ:
    """Return what all requests to one port have in common."""
    return {
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def read_environ(request: ParsedRequest) -> Environ:
    """Return the head of a request as WSGI has it (PEP 3333)."""
    path, _, query = request.target.partition(b"?")
    if b"%" in path and len(path) <= PATH_DECODED_BYTES_MAX:
        path = unquote_to_bytes(path)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
    }
    for name, value in request.headers:
        if "_" in name:
            continue  # WSGI could not tell it from the name with a hyphen
        key = name.upper().replace("-", "_")
        if name not in _PLAIN:
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]}, {value}" if key in environ else value
    return environ


def refusal_answer(refused: RequestRefusedError) -> WholeAnswer:
    """Return the answer to a request that the server refuses."""
    code, phrase = refused.status.value, refused.status.phrase
    headers = [
        ("Content-Type", "application/json"),
        UNSTORED,
        ("Bazaar-Definite", "true" if refused.is_definite else "false"),
    ]
    if refused.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", "1"))
    body = encode({"error": {"code": code, "message": refused.message}})
    return f"{code} {phrase}", headers, body


def split_own(head: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a head without what only this request has, and that, as WSGI has it."""
    own: dict[str, str] = {}
    for line, name in _OWN_LINES:
        start = head.find(line)
        if start >= 0:
            end = head.find(b"\r\n", start + len(line))
            text = head[start + len(line) : end].decode("latin-1").strip(" \t")
            if text.isascii() and text.isprintable():
                head, own[name] = head[:start] + head[end:], text
    return head, own


def repeat(known: ParsedRequest, own: Mapping[str, str], body: bytes) -> ParsedRequest:
    """Return a known request as one with a body and headers of its own."""
    environ, admission = known.context
    context = ({**environ, **own} if own else environ), admission
    return ParsedRequest(
        *(known.method, known.target, known.version, known.headers, known.head_bytes),
        *(bytearray(body), known.is_kept, context),
    )
