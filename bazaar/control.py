"""
The control listener: a second, threaded WSGI server in the role's own process (DESIGN 1).

Pings, notices, replication, invalidations and status come here, so they never wait behind trades;
they see the same memory because it is the same process. Every path here is for cluster members
only.
"""

import logging
import threading
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from waitress import create_server

from bazaar.rest import MEMBER_BODY_BYTES_MAX
from bazaar.settings.env import SettingsError
from bazaar.topology import Node

log = logging.getLogger("bazaar.control")

CONNECTIONS_MAX = 500
IDLE_S = 120


class ControlRequest(WSGIRequest):
    """A request on the control port: resolved by the role's other URLconf."""

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.urlconf = settings.BAZAAR_CONTROL_URLCONF


class ControlHandler(WSGIHandler):
    """Django for the control port."""

    request_class = ControlRequest


def start(node: Node, threads: int) -> None:
    """Listen on the control port until the process ends. Raises SettingsError when it is taken."""
    try:
        server = create_server(
            ControlHandler(),
            host=node.host,
            port=node.control_port,
            threads=threads,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=IDLE_S,
            max_request_body_size=MEMBER_BODY_BYTES_MAX,
            ident="bazaar",
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise SettingsError(
            f"BAZAAR_CLUSTER: the control port {node.host}:{node.control_port} of the "
            f"{settings.BAZAAR_ROLE} cannot be used ({error.strerror})."
        ) from error
    threading.Thread(target=server.run, name="control", daemon=True).start()
    log.info("control port open host=%s port=%d", node.host, node.control_port)
