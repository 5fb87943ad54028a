"""
The body of a trade, in all dialects.

At `/orders` the names of the fields decide which dialect a trade is in, and so its answer. What is
wrong with a body is said with the name of each field that is.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from bazaar.core.types import QUANTITY_MAX, QUANTITY_MIN, Trade, TradeType
from bazaar.protocol import tracing
from bazaar.protocol.messages import Name, Quantity
from bazaar.web.decoding import (
    EndpointRefusedError,
    bad_request,
    check_text,
    decode_json,
    refuse_query,
)
from bazaar.web.endpoint import ANSWER_HEADERS, CLIENT_NAME, KEY_HEADER, Environ
from frontend_app.headers import read_key

IS_COURSE = "bazaar.is_course_trade"
"""Where a request at `/orders` carries whether its body is in the course's dialect."""


Shares = Annotated[Quantity, Meta(description="Digits alone: `5`, neither `5.0` nor `5e0`.")]


class TradeRequest(Struct, frozen=True):
    """The body of a trade in the seed's dialect."""

    stock_name: Name
    trade_type: TradeType
    quantity: Shares


class StrictTradeRequest(TradeRequest, frozen=True, forbid_unknown_fields=True):
    """The body of a trade in v1: it has no other fields."""


class CourseTradeRequest(Struct, frozen=True):
    """The body of a trade in the course's dialect."""

    stock_name: Name = field(name="name")
    trade_type: TradeType = field(name="type")
    quantity: Shares


class _AnyTrade(Struct, frozen=True):
    """The fields of both dialects at `/orders`."""

    quantity: Quantity
    stock_name: Name | UnsetType = UNSET
    trade_type: TradeType | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    type: TradeType | UnsetType = UNSET


FieldNames = tuple[str, str, str]
"""What the stock's name, the trade's type and the quantity are called."""
SEED_NAMES: FieldNames = ("stock_name", "trade_type", "quantity")
COURSE_NAMES: FieldNames = ("name", "type", "quantity")
_decode_any = msgspec.json.Decoder(_AnyTrade).decode
_decode_strict = msgspec.json.Decoder(StrictTradeRequest).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_trade(body: bytes, environ: Environ) -> Trade:
    """
    Return the trade that a request at `/orders` asks for, with its key.

    It has the name of the client's token, too. The key is read first, so that a request that is
    refused by its head tells it. Raises EndpointRefusedError (400).
    """
    key = read_key(environ)
    try:
        wanted = _decode_any(body)
    except _UNREADABLE as error:
        raise _explain_any(body, environ) from error
    if wanted.name is UNSET and wanted.type is UNSET:
        name, trade_type, called = wanted.stock_name, wanted.trade_type, SEED_NAMES[0]
    elif wanted.stock_name is UNSET and wanted.trade_type is UNSET:
        name, trade_type, called = wanted.name, wanted.type, COURSE_NAMES[0]
        environ[IS_COURSE] = True
    else:
        name = trade_type = UNSET
    if isinstance(name, UnsetType) or isinstance(trade_type, UnsetType):
        raise _explain_any(body, environ)
    check_text(called, "a name", name)
    return _make_trade(key, name, trade_type, wanted.quantity, environ)


def read_strict_trade(body: bytes, environ: Environ) -> Trade:
    """
    Return the trade that a request of v1 asks for, as `read_trade` does.

    Raises EndpointRefusedError (400).
    """
    key = read_key(environ)
    refuse_query(environ.get("QUERY_STRING") or "")
    try:
        wanted = _decode_strict(body)
    except _UNREADABLE as error:
        raise _explain_strict(body) from error
    check_text(SEED_NAMES[0], "a name", wanted.stock_name)
    return _make_trade(key, wanted.stock_name, wanted.trade_type, wanted.quantity, environ)


def _make_trade(
    key: UUID, stock_name: str, trade_type: TradeType, quantity: int, environ: Environ
) -> Trade:
    """Return a trade of a request, and have its span know the key."""
    span = tracing.current()
    if span is not None:
        span.attributes["key"] = environ[ANSWER_HEADERS][KEY_HEADER]
    return Trade(
        key,
        stock_name,
        trade_type,
        quantity,
        placed_by=environ.get(CLIENT_NAME),
        context=span.context.text if span else "",
    )


def _explain_any(body: bytes, environ: Environ) -> EndpointRefusedError:
    """Return what is wrong with a body at `/orders`, and note its dialect."""
    fields = _read_fields(body)
    if isinstance(fields, EndpointRefusedError):
        return fields
    seed = [name for name in SEED_NAMES[:2] if name in fields]
    course = [name for name in COURSE_NAMES[:2] if name in fields]
    if seed and course:
        return bad_request(
            f"The body mixes the fields of two dialects: {' and '.join(seed)} with"
            f" {' and '.join(course)}. Send {', '.join(SEED_NAMES)} or {', '.join(COURSE_NAMES)}."
        )
    environ[IS_COURSE] = bool(course)
    return _explain(fields, COURSE_NAMES if course else SEED_NAMES)


def _explain_strict(body: bytes) -> EndpointRefusedError:
    """Return what is wrong with a body of v1."""
    fields = _read_fields(body)
    if isinstance(fields, EndpointRefusedError):
        return fields
    unknown = [name for name in fields if name not in SEED_NAMES]
    if unknown:
        return bad_request(
            f"{unknown[0][:40]!r}: there is no such field; those here are {', '.join(SEED_NAMES)}."
        )
    return _explain(fields, SEED_NAMES)


def _read_fields(body: bytes) -> dict[str, Any] | EndpointRefusedError:
    try:
        fields = decode_json(body, Any) if body else {}
    except EndpointRefusedError as refused:
        return refused
    if not isinstance(fields, dict):
        return bad_request("A JSON object is required as the body.")
    return fields


def _explain(fields: Mapping[str, Any], names: FieldNames) -> EndpointRefusedError:
    """Return what is wrong with the fields of a trade, each by its name."""
    faults = (
        (name, _find_missing(fields, name) or find(name, fields[name]))
        for name, find in zip(names, _FINDERS, strict=True)
    )
    return bad_request(" ".join(f"{name}: {fault}" for name, fault in faults if fault))


def _find_missing(fields: Mapping[str, Any], name: str) -> str:
    if name not in fields:
        return "This field is required."
    return "This field may not be null." if fields[name] is None else ""


def _find_name_fault(called: str, value: Any) -> str:
    if not isinstance(value, str):
        return "This must be a string."
    try:
        check_text(called, "a name", value)
    except EndpointRefusedError as refused:
        return refused.message.removeprefix(f"{called}: ")
    return ""


def _find_type_fault(called: str, value: Any) -> str:
    if not isinstance(value, str):
        return "This must be a string."
    return "" if value in tuple(TradeType) else f'"{value[:40]}" is not a valid choice.'


def _find_quantity_fault(called: str, value: Any) -> str:
    if type(value) is not int:
        return "This must be a whole number."
    is_right = QUANTITY_MIN <= value <= QUANTITY_MAX
    return "" if is_right else f"This must be from {QUANTITY_MIN} to {QUANTITY_MAX}."


_FINDERS: tuple[Callable[[str, Any], str], ...] = (
    _find_name_fault,
    _find_type_fault,
    _find_quantity_fault,
)
