"""
Messages as bytes, and back (docs/PROTOCOL.md).

What an answer says is checked against its type; an error becomes the `Failure` that it names.
"""

from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from bazaar.core.failures import Unreachable
from bazaar.protocol import cache_messages, leadership_messages, messages, statuses, stored_rows
from bazaar.protocol import traces as trace_messages
from bazaar.protocol.errors import failure_of
from bazaar.protocol.http1 import Reply

T = TypeVar("T")
encode = msgspec.json.Encoder(decimal_format="number").encode


def _prepare_decoders() -> None:
    """
    Let msgspec inspect every message now, while one thread imports this.

    It inspects a type at its first use; many threads at once seem to have crashed it.
    """
    modules = (messages, cache_messages, leadership_messages, statuses, stored_rows, trace_messages)
    for module in modules:
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, messages.Message):
                msgspec.json.Decoder(kind)


_prepare_decoders()


def decode(reply: Reply, kind: type[T]) -> T:
    """Return the body of an answer as `kind`. Raises the failure that an error names."""
    if reply.status == HTTPStatus.OK:
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"The answer cannot be read: {error}") from error
    name = reply.headers.get("bazaar-failure", "")
    raise failure_of(name, _message(reply), reply.headers)


def _message(reply: Reply) -> str:
    """Return the message of an error, wherever its dialect has it."""
    try:
        body: Any = msgspec.json.decode(reply.body)
        inner = body.get("error", body)
        return str(inner["message"])
    except (msgspec.MsgspecError, AttributeError, KeyError, TypeError):
        return f"status {reply.status}"


def query(path: str, **fields: object) -> str:
    """Return a path with its query, encoded; what is None is left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    return f"{path}?{urlencode(given)}"
