"""
What all typed clients share: two listeners, encoding and decoding.

An answer that is no success is the `Failure` that it names.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from bazaar import clock
from bazaar.core.failures import Unreachable
from bazaar.protocol import (
    cache_messages,
    leadership_messages,
    messages,
    process_end,
    statuses,
    stored_rows,
)
from bazaar.protocol import traces as trace_messages
from bazaar.protocol.errors import failure_of
from bazaar.protocol.http1 import Reply
from bazaar.protocol.process_end import EndAnswerBody, EndBody, EndSignal
from bazaar.protocol.traces import SpansBody, SpansWantedBody
from bazaar.protocol.transport import HttpTransport, KeptTransport, PendingCall, Transport
from bazaar.topology import Node, Role, process_name

T = TypeVar("T")
encode = msgspec.json.Encoder(decimal_format="number").encode


def _prepare_decoders() -> None:
    """
    Let msgspec inspect every message now, while one thread imports this.

    It inspects a type at its first use; many threads at once seem to have crashed it.
    """
    others = (leadership_messages, process_end, statuses, stored_rows, trace_messages)
    for module in (messages, cache_messages, *others):
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


class MemberClient:
    """What all typed clients share: two listeners and a timeout."""

    role: ClassVar[Role]
    """Whose client it is."""

    def __init__(self, served: Transport, control: Transport, timeout_s: float) -> None:
        """timeout_s: for each call without a timeout of its own."""
        self.served, self.control, self.timeout_s = served, control, timeout_s

    @classmethod
    def at(cls, node: Node, secret: bytes, timeout_s: float) -> Self:
        """Return a client over HTTP for a node."""
        return cls._for(process_name(cls.role, node.id), node, secret, timeout_s)

    @classmethod
    def _for(cls, name: str, node: Node, secret: bytes, timeout_s: float) -> Self:
        """name: what its requests are signed for."""
        places = (node.address, node.control_address)
        served, control = (HttpTransport(one, name, secret, clock.wall_s) for one in places)
        return cls(served, control, timeout_s)

    def close(self) -> None:
        """End the kept connections; the next call opens a new one."""
        for transport in (self.served, self.control):
            if isinstance(transport, KeptTransport):
                transport.close()

    def spans(self, wanted: SpansWantedBody, timeout_s: float) -> SpansBody:
        """Return the spans of a trade, or the parts of other spans."""
        return self._post(self.control, "/spans", wanted, SpansBody, timeout_s)

    def end(self, life: statuses.Status, how: EndSignal) -> None:
        """
        Have the process whose status this is end itself.

        Raises Unreachable also when it refuses.
        """
        wanted = EndBody(pid=life.pid, up_since_s=life.up_since_s, signal=how)
        self._post(self.control, "/end", wanted, EndAnswerBody)

    def _get(
        self, transport: Transport, path: str, kind: type[T], timeout_s: float | None = None
    ) -> T:
        return decode(transport.call("GET", path, timeout_s=timeout_s or self.timeout_s), kind)

    def _post(
        self,
        transport: Transport,
        path: str,
        body: messages.Message,
        kind: type[T],
        timeout_s: float | None = None,
    ) -> T:
        timeout_s = timeout_s or self.timeout_s
        return decode(transport.call("POST", path, encode(body), timeout_s=timeout_s), kind)

    def _begin(
        self,
        transport: Transport,
        path: str,
        body: messages.Message,
        read: Callable[[Reply], T],
    ) -> PendingCall[T] | None:
        """Send a request whose answer is waited for later; None without a kept connection."""
        if not isinstance(transport, KeptTransport):
            return None
        return transport.begin("POST", path, encode(body), read)
