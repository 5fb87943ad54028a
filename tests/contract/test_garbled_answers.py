"""Answers that make no sense are indefinite failures (I9)."""

import pytest

from bazaar.core.failures import Unreachable
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.http1 import Reply
from tests.contract.conftest import TERM
from tests.contract.test_clients import batch_of
from tests.support.histories import make_trade


class Garbling:
    """A transport that answers everything with the same reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        return self.reply


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"null", b"[]", b"{}", b"\xff", b'{"answers": 1}'),
        b'{"answers": [], "page": null}',
        b'{"answers": [{}, {}, {}]}',
    ],
)
def test_an_answer_that_cannot_be_read_is_indefinite(body: bytes) -> None:
    """I9: a 200 that makes no sense may still have been a trade."""
    wire = Garbling(Reply(200, {}, body))
    with pytest.raises(Unreachable):
        CatalogClient(wire, wire, 1).place(batch_of(3))
    with pytest.raises(Unreachable):
        ReplicaClient(wire, wire, 1).trade(TERM, [make_trade(3)], 1)


@pytest.mark.parametrize("status", [201, 301, 400, 404, 500, 502])
@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"x"', b'{"error": null}', b'{"message": 1}'])
def test_an_error_without_a_name_is_indefinite(status: int, body: bytes) -> None:
    wire = Garbling(Reply(status, {}, body))
    with pytest.raises(Unreachable) as caught:
        CatalogClient(wire, wire, 1).get_leadership()
    assert caught.value.message
