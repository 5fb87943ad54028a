"""The API pages reach every worker, and say of each endpoint why it is not read."""

import msgspec
import pytest
from django.test import Client

import dashboard.wiring
from bazaar import clock
from bazaar.core.failures import Unreachable
from bazaar.protocol.endpoints import EndpointBody, IndexBody, MethodBody
from bazaar.protocol.http1 import Reply
from bazaar.protocol.transport import HttpTransport
from bazaar.topology import Node, Role, local
from dashboard.api_relay import ApiRelay
from tests.dashboard.conftest import Show
from tests.dashboard.statuses import catalog, front_end

WORKER = ("worker-40123", Node(port=40_123, control_port=40_123))
METHOD = MethodBody(method="GET", changes=False)
INDEX = IndexBody(
    endpoints=tuple(
        EndpointBody(path=path, description=path, audience=path, methods=(METHOD,))
        for path in ("/status", "/metrics")
    )
)


class WorkerTransport(HttpTransport):
    """Answers for a worker; every other process is dead."""

    def __init__(self, address: tuple[str, int], receiver: str) -> None:
        super().__init__(address, receiver, b"", clock.wall_s)
        self.receiver = receiver

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        if (self.address, self.receiver) != (("127.0.0.1", 40_123), "127.0.0.1:40123"):
            raise Unreachable("refused")
        content = msgspec.json.encode(INDEX if path == "/" else {"asked": path})
        return Reply(200, {}, content)


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> ApiRelay:
    made = ApiRelay(local(2), WorkerTransport, lambda: [WORKER])
    monkeypatch.setattr(dashboard.wiring, "api_relay", lambda: made)
    return made


def test_every_worker_of_a_front_end_is_reached_at_its_control_port(
    superuser: Client, relay: ApiRelay
) -> None:
    """All share one served port; each is named by its own address, which its requests are for."""
    (listener,) = (one for one in relay.listeners if one.process == "worker-40123")
    assert (listener.role, listener.port_name) == (Role.FRONT_END, "control")
    html = superuser.get("/api").content.decode()
    assert 'href="/api/worker-40123/control/status"' in html
    html = superuser.get("/api/worker-40123/control/status").content.decode()
    assert "&quot;asked&quot;: &quot;/status&quot;" in html
    assert superuser.get("/api/worker-40124/control/status").status_code == 404


def test_a_worker_that_the_catalog_names_is_in_the_list(show: Show) -> None:
    status = msgspec.structs.replace(catalog(), holder_addresses=(("127.0.0.1", 1),))
    show(catalog=status, frontend=front_end())
    for _ in range(2):
        dashboard.wiring.collector().poll()
    listeners = dashboard.wiring.api_relay.__wrapped__().listeners
    assert ("worker-1", "control") in {(one.process, one.port_name) for one in listeners}


def test_what_only_others_may_call_is_not_said_to_change_something(
    superuser: Client, relay: ApiRelay
) -> None:
    html = superuser.get("/api/worker-40123/control/metrics").content.decode()
    assert "changes something" not in html
    assert "Not sent from the dashboard" in html
