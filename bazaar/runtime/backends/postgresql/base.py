"""Django's backend for PostgreSQL, with connections that are kept."""

from typing import Any

from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper

from bazaar.runtime.backends.kept_connection import (
    HostOrder,
    KeptConnection,
    site,
    split_hosts,
)

_order = HostOrder()
_NODE = "SELECT concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())"
"""Another text at another node, also where something stands in between."""


class DatabaseWrapper(KeptConnection, DjangoWrapper):
    """A connection to the one of several hosts that takes writes."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, first to the host that answered last."""
        hosts = _order.sort(split_hosts(conn_params.get("host", ""), conn_params.get("port", "")))
        if len(hosts) > 1:
            names, ports = (",".join(part) for part in zip(*hosts, strict=True))
            conn_params = {**conn_params, "host": names, "port": ports}
        connection = super().get_new_connection(conn_params)
        _order.note((connection.info.host, str(connection.info.port)))
        connection.autocommit = True  # Django sets what it wants of that afterwards
        self.moves = site.note(connection.execute(_NODE).fetchone()[0])
        return connection

    def has_failed(self) -> bool:
        """Tell whether the driver knows that the connection is gone."""
        return bool(self.connection.closed)
