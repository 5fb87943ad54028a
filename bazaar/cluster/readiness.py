"""What a process says about itself at `/readyz` (docs/adr/0039)."""

import http.client
from http import HTTPStatus

import msgspec

from bazaar.protocol.tls import tls
from bazaar.topology import Node

TIMEOUT_S = 1.0
BYTES_MAX = 64 * 1024
"""Bytes of one answer."""


class Readiness(msgspec.Struct, frozen=True):
    """The answer of one process; `status` is empty when there is none."""

    status: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether it can do its job."""
        return self.status == "ready"

    @property
    def has_answered(self) -> bool:
        """Whether it answers at all."""
        return bool(self.status)


def read_readiness(node: Node, timeout_s: float = TIMEOUT_S) -> Readiness:
    """Ask a process at its served port; a process that does not answer is not ready."""
    connection = _connect(node, timeout_s)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        if answer.status not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE):
            return Readiness()
        return msgspec.json.decode(answer.read(BYTES_MAX), type=Readiness)
    except (OSError, http.client.HTTPException, msgspec.MsgspecError):
        return Readiness()
    finally:
        connection.close()


def _connect(node: Node, timeout_s: float) -> http.client.HTTPConnection:
    if (contexts := tls()) is None:
        return http.client.HTTPConnection(*node.address, timeout=timeout_s)
    return http.client.HTTPSConnection(*node.address, timeout=timeout_s, context=contexts.client)
