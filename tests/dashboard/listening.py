"""Both ports of a replica that is starting, real ones, and the requests that they got."""

import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec

from bazaar.core.failures import NotServing
from bazaar.topology import Topology, local
from tests.support.listeners import Listener


class QuietHandler(WSGIRequestHandler):
    """Logs no request."""

    def log_message(self, *_: Any) -> None:
        return


class ReplicaPort:
    """One listener of a replica on a real port, and the requests that it got."""

    def __init__(self, urlconf: str) -> None:
        self.handler = Listener(urlconf).handler
        self.requests: list[dict[str, Any]] = []
        self.server: WSGIServer = make_server(
            "127.0.0.1", 0, self._answer, handler_class=QuietHandler
        )
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        self.requests.append(environ)
        return self.handler(environ, start_response)


class StartingReplica:
    """A replica that serves nothing yet."""

    def __getattr__(self, name: str) -> Any:
        raise NotServing


class ListeningReplica:
    """order-1: both of its ports."""

    def __init__(self) -> None:
        self.served = ReplicaPort("bazaar.urls.order")
        self.control = ReplicaPort("bazaar.urls.order_control")
        one = local(1)
        ports = {
            "port": self.served.server.server_port,
            "control_port": self.control.server.server_port,
        }
        node = msgspec.structs.replace(one.replicas[0], **ports)
        self.topology: Topology = msgspec.structs.replace(one, replicas=(node,))

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.served.requests + self.control.requests

    @property
    def targets(self) -> list[str]:
        """The requests without those for the index."""
        return [
            f"{one['REQUEST_METHOD']} {one['PATH_INFO']}"
            + (f"?{one['QUERY_STRING']}" if one["QUERY_STRING"] else "")
            for one in self.requests
            if one["PATH_INFO"] != "/"
        ]
