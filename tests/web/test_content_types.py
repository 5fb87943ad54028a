"""Content types that Django would stumble over: never an error of ours, at any path."""

import pytest
from django.core.handlers.wsgi import WSGIHandler

from bazaar.web.endpoint import Audience, Port, with_index
from bazaar.web.router import Router
from tests.support.callers import Connect, Listen

KINDS = (
    "application/json; charset=base64",
    "application/json; charset=idna",
    "application/json; a*=nonsense''abc",
    "application/json; charset=utf-8",
    "multipart/form-data",
    "multipart/form-data; boundary=\xff",
    "multipart/form-data; boundary=" + "b" * 200,
    "application/x-www-form-urlencoded; charset=utf-7",
    "text/html; q=;;;",
    ";",
    "/",
    "\xe9\x80",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["/no?a=1", "/no?a=%ff", "/?a=%zz", "/no?" + "&a=1" * 1001])
def test_no_content_type_is_a_mistake_of_ours(
    listen: Listen, connect: Connect, kind: str, target: str
) -> None:
    server = listen(service=Router(WSGIHandler(), with_index((), Port.SERVED, Audience.PUBLIC)))
    for accept in ("*/*", "text/html"):
        head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}"
        assert connect(server).call(head.encode("latin-1")).status < 500
