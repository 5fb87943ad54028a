"""What hostile requests are made of: odd methods, targets, headers and raw bytes."""

import struct
from collections.abc import Sequence

from tests.contract import bad_values

LONG, VERY_LONG = 8_000, 60_000
METHODS = (
    *(b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"CONNECT", b"PROPFIND"),
    *(b"get", b"Post", b"BREW", b"X" * LONG, b"", b"G\0T", b"PRI", b"M-SEARCH", b"QUERY", b"GET\t"),
)
VERSIONS = (
    *(b" HTTP/1.0", b" HTTP/1.2", b" HTTP/0.9", b" HTTP/2.0", b" HTTP/3", b" HTTP/11.1", b""),
    *(b" HTTP/1.1 x", b" HTP/1.1", b"  HTTP/1.1", b" http/1.1", b" ICE/1.0", b" RTSP/1.0"),
)
INSERTS = (
    *(b"%00", b"\0", b"%2F", b"%2f..%2f", b"//", b"/./", b"/../", b"%", b"%g1", b"%E9", b"\xe9"),
    *("\u00e9\u4e16".encode(), b"%ED%A0%80", b"%0d%0aX:%20y", b"%20", b"+", b"\\", b"#part"),
    *(b"?", b"&", b"=", b";", b"{", b"|", b"\x7f", b"\x01", b"%u0041", b"\xff\xfe", b"'", b'"'),
)
PLACES = (
    *(b"*", b"", b"http://127.0.0.1/", b"https://example.org/stocks", b"//example.org/", b"x"),
    *(b"127.0.0.1:80", b"/" + b"a" * VERY_LONG, b"/%s" % (b"%41" * LONG), b"http://", b"/api/x"),
    *(b"/static/../../etc/passwd", b"/static/%2e%2e/x", b"/stocks//", b"/..", b"/favicon.ico"),
)
QUERIES = (
    *(b"stock_name=" + b"x" * VERY_LONG, b"a=1&" * LONG, b"order_no=" + b"9" * LONG, b"=" * LONG),
    *(b"order_no=1&order_no=2", b"stock_name=MenhirCo&stock_name=", b"%s=%s", b"stock_name"),
    *(b"order_no=%00", b"stock_name=%FF", b"text=%25%5F&before=0&limit=10", b"q=%00&before=-1"),
    *(b"order_no=9223372036854775807", b"order_no=" + b"9" * 19, b"after=9223372036854775807"),
    *(b"after=0&limit=9223372036854775807", b"e=1", b"p=-1&o=9.9.9&all=", b"_popup=1&q=\0"),
    *(b"format=html", b"format=\0", b"next=http://example.org/", b"stock_name=" + b"%F0%9F" * 90),
)
VALUES = (
    *(b"", b" ", b"\xff\xfe", b"\0", b"a\rb", b"a\nb", b"a\r\n b", b"\xe9" * 300, b"x" * LONG),
    *(
        b"x" * VERY_LONG,
        b"*",
        b"1",
        b"-1",
        b"9" * 400,
        b"\t",
        b'"',
        b"a, b",
        b"{}",
        b"%00",
        b"null",
    ),
)
NAMED: tuple[tuple[bytes, tuple[bytes, ...]], ...] = (
    (b"Host", (b"", b"example.org", b"127.0.0.1:99999", b"[::1", b"127.0.0.1, x", b"a b", b"\xff")),
    (b"Expect", (b"100-continue", b"100-Continue, x", b"200-ok", b"")),
    (b"Upgrade", (b"websocket", b"h2c", b"TLS/1.0", b"")),
    (
        b"Connection",
        (b"close", b"keep-alive", b"Upgrade", b"close, keep-alive", b"Upgrade, HTTP2-Settings"),
    ),
    (b"Range", (b"bytes=0-1", b"bytes=-1", b"bytes=9-1", b"bytes=0-1,2-3,4-", b"x=0-")),
    (b"If-None-Match", (b"*", b'"1"', b'W/"1"', b"1", b'"' * 200)),
    (b"If-Modified-Since", (b"Sat, 01 Jan 2000 00:00:00 GMT", b"x", b"9" * 200)),
    (
        b"Accept",
        (
            *(b"text/html", b"text/html;q=0", b"*/*;q=0.1, text/html;q=0.2", b"text/htmlx", b";"),
            *(b"application/json;q=nan", b"text/html; indent=99999999", b"text/html; charset=\xff"),
        ),
    ),
    (b"Accept-Language", (b"de;q=9", b"x" * 300, b"\xff")),
    (b"Accept-Encoding", (b"gzip", b"identity;q=0", b"br;q=nan")),
    (b"Cache-Control", (b"no-cache", b"xno-cache", b"no-cache=1", b"max-age=\xff", b",,,")),
    (b"Origin", (b"http://example.org", b"null", b"http://127.0.0.1", b"\xff", b"")),
    (b"Sec-Fetch-Site", (b"cross-site", b"none", b"same-origin", b"\xff")),
    (b"X-Forwarded-For", (b"1.2.3.4", b"\0", b"x" * 300)),
    (b"X-Forwarded-Proto", (b"https", b"x")),
    (b"X-Forwarded-Host", (b"example.org",)),
    (b"X-HTTP-Method-Override", (b"DELETE", b"POST")),
    (b"Content-Encoding", (b"gzip", b"x")),
    (b"Referer", (b"http://example.org/", b"\xff", b"x" * LONG)),
    (b"HX-Request", (b"true", b"\xff")),
    (b"Date", (b"x",)),
    (b"Cookie", (b"bazaar_session=\xff; bazaar_csrf=\0", b"=;=;;", b"a=b; " * 300, b"x" * LONG)),
    (b"X-CSRFToken", (b"x" * 64, b"\xff", b"")),
    (
        b"Idempotency-Key",
        (b"x", b"\xff", b"0" * 36, b"{00000000-0000-4000-8000-000000000001}", b"a, b"),
    ),
    (
        b"Content-Type",
        (
            *(one.encode("latin-1") for one in bad_values.CONTENT_TYPES),
            *(
                b"application/json; charset=utf-16",
                b"application/json;charset=\xff",
                b"APPLICATION/JSON",
            ),
            *(b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 300),
            *(b"application/msgpack", b"application/x-www-form-urlencoded; charset=utf-7"),
        ),
    ),
    (
        b"Authorization",
        (
            *(b"", b"Basic eDp5", b"Bearer x", b"Bazaar-HMAC-SHA256", b"Bazaar-HMAC-SHA256 " * 5),
            *(b"Bazaar-HMAC-SHA256 9999999999 catalog %s %s" % (b"0" * 64, b"0" * 64),),
            *(b"Bazaar-HMAC-SHA256 \xb2 catalog x y", b"Bazaar-HMAC-SHA256 1 \xff \xff \xff"),
        ),
    ),
)
FORM = b"application/x-www-form-urlencoded"


def _client_hello() -> bytes:
    hello = b"\x03\x03" + b"r" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + b"\0\0"
    body = b"\x01" + struct.pack(">I", len(hello))[1:] + hello
    return b"\x16\x03\x01" + struct.pack(">H", len(body)) + body


RAW: Sequence[tuple[str, bytes]] = (
    ("TLS", _client_hello()),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    ("SSH", b"SSH-2.0-x\r\n"),
    ("SOCKS", b"\x05\x01\x00"),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a line", b"hello\r\n"),
    ("line feeds", b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n"),
    ("no end", b"GET /" + b"a" * 70_000),
    ("null bytes", b"\0" * 5000),
    ("empty lines", b"\r\n" * 500),
    ("nothing", b""),
    ("a colon", b":\r\n:\r\n\r\n"),
    ("one header without an end", b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000),
    ("short", b"GET /\r\n\r\n"),
    ("folded", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n"),
    (
        "two lengths",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ),
    (
        "length and chunks",
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
)
"""What is no request of any endpoint."""
