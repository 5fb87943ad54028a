"""
Django's backend for PostgreSQL, with connections that are kept.

The driver waits without end for a server that is silent while its machine acknowledges all that it
is sent. So every wait for an answer is within `read_timeout` here, as PyMySQL has it: afterwards
nobody knows what has happened, and the connection is given up.
"""

from collections.abc import Generator
from typing import Any

import psycopg
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper

from bazaar import clock
from bazaar.runtime.backends.kept_connection import (
    HostOrder,
    KeptConnection,
    site,
    split_hosts,
)

_order = HostOrder()
_NODE = "SELECT concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())"
"""Another text at another node, also where something stands in between."""
_Answer = Generator[Any, Any, Any]
"""The driver's own: yields what it waits for, takes what is ready, returns what has come."""


class DatabaseWrapper(KeptConnection, DjangoWrapper):
    """A connection to the one of several hosts that takes writes."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, first to the host that answered last."""
        timeout_s = conn_params.pop("read_timeout", None)
        hosts = _order.sort(split_hosts(conn_params.get("host", ""), conn_params.get("port", "")))
        if len(hosts) > 1:
            names, ports = (",".join(part) for part in zip(*hosts, strict=True))
            conn_params = {**conn_params, "host": names, "port": ports}
        connection = super().get_new_connection(conn_params)
        _order.note((connection.info.host, str(connection.info.port)))
        if timeout_s is not None:
            wait = connection.wait
            connection.wait = lambda answer: wait(_limit(connection, answer, timeout_s))
        connection.autocommit = True  # Django sets what it wants of that afterwards
        self.moves = site.note(connection.execute(_NODE).fetchone()[0])
        return connection

    def has_failed(self) -> bool:
        """Tell whether the driver knows that the connection is gone."""
        return bool(self.connection.closed)


def _limit(connection: psycopg.Connection[Any], answer: _Answer, timeout_s: float) -> _Answer:
    """Take an answer within a time. The driver looks at it ten times a second at least."""
    until_s, ready = clock.monotonic_s() + timeout_s, None
    try:
        while True:
            wanted = answer.send(ready)
            if clock.monotonic_s() >= until_s:
                connection.pgconn.finish()
                raise psycopg.OperationalError(f"the server has not answered for {timeout_s:g} s")
            ready = yield wanted
    except StopIteration as end:
        return end.value
