"""Both ports of a replica that is starting, real ones, and what came to them."""

import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec

from bazaar.core.failures import NotServing
from bazaar.topology import Topology, local
from tests.support.listeners import Listener


class Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log_message(self, *_: Any) -> None:
        return


class Role:
    """One listener of a replica on a real port, and what came to it."""

    def __init__(self, urlconf: str) -> None:
        self.router = Listener(urlconf).router
        self.came: list[dict[str, Any]] = []
        self.server: WSGIServer = make_server("127.0.0.1", 0, self._answer, handler_class=Quiet)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def targets(self) -> list[str]:
        """What was asked for, without the listing."""
        return [
            f"{one['REQUEST_METHOD']} {one['PATH_INFO']}"
            + (f"?{one['QUERY_STRING']}" if one["QUERY_STRING"] else "")
            for one in self.came
            if one["PATH_INFO"] != "/"
        ]

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        self.came.append(environ)
        return self.router(environ, start_response)


class Starting:
    """A replica that serves nothing yet."""

    def __getattr__(self, name: str) -> Any:
        raise NotServing


class Replica:
    """order-1: both of its ports."""

    def __init__(self) -> None:
        self.served, self.control = Role("bazaar.urls.order"), Role("bazaar.urls.order_control")
        one = local(1)
        ports = {
            "port": self.served.server.server_port,
            "control_port": self.control.server.server_port,
        }
        node = msgspec.structs.replace(one.replicas[0], **ports)
        self.topology: Topology = msgspec.structs.replace(one, replicas=(node,))

    @property
    def targets(self) -> list[str]:
        return self.served.targets + self.control.targets

    @property
    def came(self) -> list[dict[str, Any]]:
        return self.served.came + self.control.came
