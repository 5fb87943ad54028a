"""
A history file: what a load run did and saw, one JSON record on each line.

The first line is a `Header`; `Done`, `Mark` and `Sample` follow, roughly in the order of time.
Fields at their default are left out. All times are seconds since the run began, on one monotonic
clock that all processes of the run share.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

FORMAT = 1
"""The version of this format."""
BUFFER_BYTES = 1 << 20
"""Written at once."""

OperationKind = Literal["query", "trade", "order"]
OPERATION_KINDS: tuple[OperationKind, ...] = ("query", "trade", "order")
Outcome = Literal[
    "ok", "not_found", "refused", "indefinite", "unreachable", "malformed", "busy", "denied"
]
"""
How an operation ended.

- ok: done, and the answer was read.
- not_found: a definite "there is no such stock, or order".
- refused: a trade that was definitely not made, for instance because shares were lacking.
- indefinite: a trade that may have happened, or anything without an answer when the run ended.
- unreachable: no front end answered, or none could answer the question.
- malformed: not an answer of a front end: not JSON, a missing field, an impossible status.
- busy: too many requests (429); it definitely did not happen.
- denied: a trade without a token that allows it (401, 403); it definitely did not happen.
"""


class HistoryError(ValueError):
    """A history cannot be read; the message names the place and what is wrong there."""


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of one stock before the load."""

    stock_name: str
    version: int
    quantity: int
    trade_volume: int
    price: str


class _Record(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
):
    """The base of all lines: tagged by `type`, strict about fields."""


class Header(_Record, frozen=True, kw_only=True, tag="header"):
    """What was run, and the state at its beginning."""

    format: int
    seed: int
    profile: str
    started: str
    """Wall time, ISO 8601 in UTC."""
    urls: tuple[str, ...]
    options: dict[str, Any]
    openings: tuple[Opening, ...] = ()
    """The stocks of the run, read past the cache; empty when they could not all be read."""


class Done(_Record, frozen=True, kw_only=True, tag="done"):
    """One operation of a client, from its first attempt to its last."""

    client: int
    kind: OperationKind
    url: int
    """The index of the header's URL that answered, or was tried last."""
    intended_s: float
    """When it was due; in a closed loop, when it was sent."""
    sent_s: float
    """When the first attempt was written to the socket."""
    done_s: float | None = None
    """When the last byte of the final answer was there; None: never."""
    outcome: Outcome
    status: int | None = None
    """Of the final answer."""
    attempts: int = 1
    is_warmup: bool = False
    stock_name: str | None = None
    version: int | None = None
    """Of a query, like the next five."""
    price: str | None = None
    quantity: int | None = None
    trade_volume: int | None = None
    is_stale: bool = False
    cache: str | None = None
    """hit, miss, shared, request, bypass or stale."""
    key: str | None = None
    """Of a trade."""
    trade_type: str | None = None
    shares: int | None = None
    order_no: int | None = None
    """Of a trade that was made; of an order that was looked up."""


ELECTED = "elected"
"""The mark of a new leadership."""


class Mark(_Record, frozen=True, kw_only=True, tag="mark"):
    """An event of the cluster: a fault that was injected, or what was observed."""

    at_s: float
    what: str
    """For instance kill-leader, elected, healed."""
    target: str = ""
    term: int | None = None


class Sample(_Record, frozen=True, kw_only=True, tag="sample"):
    """What was observed of the cluster, about once a second."""

    at_s: float
    leader: int | None = None
    """The replica that leads."""
    term: int | None = None
    hit_ratio: float | None = None
    """Answers from memory, of all answers to queries in about the second before; 0 to 1."""
    lag_orders: dict[str, int] = {}
    """Per replica, by name."""


Record = Header | Done | Mark | Sample

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class HistoryWriter:
    """Writes a history file. Every method may raise OSError: disk full, say."""

    def __init__(self, path: Path, header: Header) -> None:
        """Begin a new file; an older one of that name is gone."""
        self._file = path.open("wb", buffering=BUFFER_BYTES)
        try:
            self.write(header)
            self._file.flush()
        except OSError:
            with contextlib.suppress(OSError):
                self.close()
            raise

    def write(self, record: Record) -> None:
        """Append one record."""
        self.write_encoded(encode(record))

    def write_encoded(self, lines: bytes) -> None:
        """Append whole lines, each as `encode` makes them."""
        self._file.write(lines)

    def close(self) -> None:
        """Flush and end; safe to repeat."""
        self._file.close()


def encode(record: Record) -> bytes:
    """Return one record as a line."""
    return _encoder.encode(record) + b"\n"


def read_history(path: Path) -> Iterator[Record]:
    """
    Yield every record of a file, the header first; a stream, whatever its size.

    Raises HistoryError, which names file and line; OSError when it cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            record = _read_line(path, number, line)
            if (number == 1) != isinstance(record, Header):
                wrong = "is not a header" if number == 1 else "is a second header"
                raise HistoryError(f"{path}, line {number} {wrong}.")
            yield record


def _read_line(path: Path, number: int, line: bytes) -> Record:
    try:
        record: Record = _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path}, line {number}: {error}") from error
    if isinstance(record, Header) and record.format != FORMAT:
        raise HistoryError(f"{path} has format {record.format}; this program reads {FORMAT}.")
    return record
