"""
The parts of hostile requests: a good request, and what may be changed in it.

Every change takes the source of chance and a draft. One that makes it uncertain where the request
ends says so (`is_framed`).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.contract import bad_values
from tests.contract.examples import Example
from tests.support.hostile_values import (
    FORM,
    INSERTS,
    LONG,
    METHODS,
    NAMED,
    PLACES,
    QUERIES,
    VALUES,
    VERSIONS,
)

Header = tuple[bytes, bytes]
FIELDS_MANY = 1_500
"""Fields of a form: more than Django takes."""


@dataclass(slots=True)
class Draft:
    """One request on its way to be hostile."""

    method: bytes
    target: bytes
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)
    version: bytes = b" HTTP/1.1"
    example: Example | None = None
    length: bytes | None = None
    """What Content-Length says instead of the length."""
    chunks: bytes | None = None
    """The body as it is sent in pieces (chunked)."""
    is_framed: bool = True
    """Whether its end is certain."""
    is_safe: bool = True
    """Whether nothing changes when it is signed and taken."""

    def pack(self) -> bytes:
        """Return it as it is sent."""
        headers = list(self.headers)
        if self.chunks is not None:
            headers.append((b"Transfer-Encoding", b"chunked"))
        elif self.length is not None or self.body or self.method == b"POST":
            length = b"%d" % len(self.body) if self.length is None else self.length
            headers.append((b"Content-Length", length))
        lines = [self.method + b" " + self.target + self.version]
        lines += [name + b": " + value for name, value in headers]
        content = self.body if self.chunks is None else self.chunks
        return b"\r\n".join(lines) + b"\r\n\r\n" + content

    def spoil_body(self, body: bytes) -> None:
        """Take a body that no endpoint takes."""
        self.body = body
        self.is_safe = self.is_safe or (self.example is not None and self.example.body is not None)

    def set_header(self, name: bytes, value: bytes) -> None:
        """Put a header in place of those with its name."""
        self.headers = [one for one in self.headers if one[0].lower() != name.lower()]
        self.headers.append((name, value))


Change = Callable[[random.Random, Draft], None]


def _insert(text: bytes, piece: bytes, place: int) -> bytes:
    return text[:place] + piece + text[place:]


def change_method(chance: random.Random, draft: Draft) -> None:
    """Take another method, known or not."""
    draft.method = chance.choice(METHODS)
    draft.is_framed = draft.is_framed and draft.method in METHODS[:6]


def change_version(chance: random.Random, draft: Draft) -> None:
    """Take another version of HTTP, or none."""
    draft.version, draft.is_framed = chance.choice(VERSIONS), False


def change_target(chance: random.Random, draft: Draft) -> None:
    """Put odd characters into the target, or take another one."""
    draft.is_framed = False
    if chance.random() < 0.3:
        draft.target = chance.choice(PLACES)
        return
    for _ in range(chance.randint(1, 3)):
        place = chance.randint(0, len(draft.target))
        draft.target = _insert(draft.target, chance.choice(INSERTS), place)


def change_escapes(chance: random.Random, draft: Draft) -> None:
    """Write some characters of the target in percent."""
    share = chance.random()
    draft.target = b"".join(
        b"%%%02X" % one if chance.random() < share and one not in b"/?&=" else bytes((one,))
        for one in draft.target
    )


def change_query(chance: random.Random, draft: Draft) -> None:
    """Take a query that is too long, twice there, or of something else."""
    path, _, query = draft.target.partition(b"?")
    odd = chance.choice(QUERIES)
    draft.target = path + b"?" + (query + b"&" + odd if chance.random() < 0.5 else odd)
    draft.is_framed = draft.is_framed and b"\0" not in odd


def change_field(chance: random.Random, draft: Draft) -> None:
    """Put what no field may hold into a field of the query or the body."""
    example = draft.example
    if example is None or not example.kinds:
        return
    name, kind = chance.choice(sorted(example.kinds.items()))
    if example.body is not None:
        draft.body = chance.choice(
            example.contents_with(name, [chance.choice(bad_values.JSON[kind])])
        )
    else:
        raw = chance.choice(bad_values.QUERY[kind])
        draft.target = example.targets_with(name, [raw])[0].encode()
    draft.is_safe = True


def change_body(chance: random.Random, draft: Draft) -> None:
    """Send a body that is no message of ours."""
    good = draft.body
    draft.spoil_body(
        chance.choice(
            (
                *(body for name, body in bad_values.BODIES.items() if name != "a form"),
                good[: len(good) // 2],
                good + good,
                b"\xef\xbb\xbf" + good,
                good.decode("utf-8", "replace").encode("utf-16"),
                b"\x82\xa4term\x01\xa6trades\x90",  # msgpack
                chance.randbytes(chance.randint(1, 3000)),
                b"x" * 70_000,
                b'{"order_no":' + b"9" * 9000 + b"}",
                b"[" * 900 + b"]" * 900,
            )
        )
    )


def change_to_form(chance: random.Random, draft: Draft) -> None:
    """Send a form, as a browser does, with odd or very many fields."""
    draft.method = b"POST"
    draft.set_header(b"Content-Type", FORM)
    if chance.random() < 0.7:
        draft.set_header(b"Accept", b"text/html")
    kinds = (
        "&".join(f"f{number}=" for number in range(FIELDS_MANY)),
        urlencode({"body": "{", "stock_name": "\0", "quantity": "0"}),
        urlencode({"stock_name": "\ud800", "trade_type": "buy"}, errors="surrogatepass"),
        "&" * LONG,
        "=%FF&%00=%ED%A0%80",
        urlencode({"Idempotency-Key": "x\r\ny", "stock_name": "MenhirCo", "quantity": "-1"}),
    )
    draft.spoil_body(chance.choice(kinds).encode())


def change_to_parts(chance: random.Random, draft: Draft) -> None:
    """Send a form in parts (multipart), whole or not."""
    draft.method = b"POST"
    draft.set_header(b"Content-Type", b"multipart/form-data; boundary=x")
    if chance.random() < 0.5:
        draft.set_header(b"Accept", b"text/html")
    part = b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n'
    many = b"".join(part % number for number in range(chance.choice((1, FIELDS_MANY // 2))))
    file = b'--x\r\nContent-Disposition: form-data; name="a"; filename="\xff"\r\n\r\n\0\r\n'
    draft.spoil_body(chance.choice((many, many + b"--x--\r\n", file + b"--x--", b"--x", part * 2)))


def add_header(chance: random.Random, draft: Draft) -> None:
    """Add a header of a known name with an odd value."""
    name, values = chance.choice(NAMED)
    value = chance.choice(values)
    if chance.random() < 0.7:
        draft.set_header(name, value)
    else:
        draft.headers.append((name, value))  # twice there
    draft.is_framed = False


def add_odd_header(chance: random.Random, draft: Draft) -> None:
    """Add a header with an odd name, or a known one written otherwise."""
    name = chance.choice((b"X-Odd", b"", b"X Y", b"\xff", b"A\0", b"x" * LONG, b"Content-Length "))
    names = [one for one, _ in draft.headers] + [b"Idempotency-Key", b"Authorization", b"Host"]
    if chance.random() < 0.5:
        name = chance.choice(names).replace(b"-", b"_")
    draft.headers.append((name, chance.choice(VALUES)))
    draft.is_framed = False


def add_many_headers(chance: random.Random, draft: Draft) -> None:
    """Add more headers than are taken."""
    draft.headers += [(b"X-%d" % number, b"y") for number in range(chance.choice((90, 150, 3000)))]
    draft.is_framed = False


def drop_header(chance: random.Random, draft: Draft) -> None:
    """Leave a header out, or all of them."""
    if draft.headers and chance.random() < 0.8:
        draft.headers.pop(chance.randrange(len(draft.headers)))
    else:
        draft.headers.clear()


def change_length(chance: random.Random, draft: Draft) -> None:
    """Announce another length than the body has."""
    size = len(draft.body)
    draft.length = chance.choice(
        (
            *(b"%d" % (size + 5), b"%d" % max(0, size - 3), b"-1", b"+%d" % size, b"0x10", b""),
            *(b"%d, %d" % (size, size), b"9" * 30, b"9000000", b"1e3", b"%d " % size, b"\xb2"),
        )
    )
    if chance.random() < 0.3:
        draft.headers.append((b"Content-Length", b"%d" % size))
    draft.is_framed = False


def change_to_chunks(chance: random.Random, draft: Draft) -> None:
    """Send the body in pieces (chunked), rightly."""
    pieces, rest = [], draft.body
    while rest:
        count = chance.randint(1, max(1, len(rest)))
        pieces.append(b"%x\r\n%s\r\n" % (count, rest[:count]))
        rest = rest[count:]
    draft.chunks = b"".join(pieces) + b"0\r\n\r\n"


def change_to_odd_chunks(chance: random.Random, draft: Draft) -> None:
    """Send the body in pieces, wrongly or oddly."""
    body, size = draft.body, b"%x" % len(draft.body)
    piece = size + b"\r\n" + body + b"\r\n"
    draft.chunks = chance.choice(
        (
            *(piece, piece + b"0\r\n", b"", b"zz\r\n" + body + b"\r\n0\r\n\r\n", b"-1\r\nx\r\n"),
            *(
                b"0x5\r\nhello\r\n0\r\n\r\n",
                b"f" * 17 + b"\r\n",
                b"ffffffff\r\n",
                b" 5\r\nhello\r\n",
            ),
            size
            + b";name="
            + b"x" * chance.choice((5, LONG, 70_000))
            + b"\r\n"
            + body
            + b"\r\n0\r\n\r\n",
            piece + b"0\r\nContent-Length: 5\r\nX: y\r\n\r\n",
            piece + b"0\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
            size + b"\n" + body + b"\n0\n\n",
            piece + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"".join(b"1\r\n%c\r\n" % one for one in body[:500]),
        )
    )
    if chance.random() < 0.4:
        draft.headers.append((b"Content-Length", b"%d" % len(body)))
    elif chance.random() < 0.3:
        coding = chance.choice((b"gzip", b"identity", b"xchunked", b"chunked", b"chunked, gzip"))
        draft.headers.append((b"Transfer-Encoding", coding))
    draft.is_framed = False


CHANGES: Sequence[tuple[Change, int]] = (
    *((change_method, 4), (change_version, 2), (change_target, 6), (change_escapes, 3)),
    *((change_query, 4), (change_field, 12), (change_body, 7), (change_to_form, 4)),
    *((change_to_parts, 2), (add_header, 12), (add_odd_header, 5), (add_many_headers, 1)),
    *((drop_header, 3), (change_length, 4), (change_to_chunks, 4), (change_to_odd_chunks, 4)),
)
"""Every change, and how often it is made."""
