"""Django's backend for MariaDB, with PyMySQL and connections that are kept."""

from typing import Any

import pymysql
from pymysql.constants import CLIENT

# Django knows the driver by this name. It then loads `pymysql.err` a second time under it, so the
# errors are taken from `pymysql` itself.
pymysql.install_as_MySQLdb()

from django.db.backends.mysql.base import DatabaseWrapper as DjangoWrapper  # noqa: E402

from bazaar.runtime.backends.kept_connection import (  # noqa: E402
    HostOrder,
    KeptConnection,
    site,
    split_hosts,
)

_order = HostOrder()
_IS_READY = (
    "SELECT @@read_only = 0 AND (@@wsrep_on = 0 OR (SELECT VARIABLE_VALUE FROM"
    " information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_READY') = 'ON'),"
    " CONCAT(@@hostname, ' ', @@port, ' ', @@datadir)"
)
"""
Whether a node takes writes: it is no replica, and has a quorum if it is one of a cluster.

And a text that is another one at another node.
"""


class DatabaseWrapper(KeptConnection, DjangoWrapper):
    """A connection to the first of several hosts that takes writes."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return what the driver is given, the port not yet as a number."""
        port, self.settings_dict["PORT"] = self.settings_dict["PORT"], ""
        try:
            params: dict[str, Any] = super().get_connection_params()
        finally:
            self.settings_dict["PORT"] = port
        flags = params["client_flag"] | CLIENT.MULTI_STATEMENTS
        return {**params, "port": port, "client_flag": flags}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, first to the host that answered last."""
        port = conn_params.pop("port")
        hosts = _order.sort(split_hosts(conn_params.pop("host", ""), port))
        if not hosts:
            return self._connect(conn_params)
        error: pymysql.Error = pymysql.OperationalError(2003, "no host")
        for host in hosts:
            try:
                connection = self._connect({**conn_params, "host": host[0], "port": int(host[1])})
                is_ready, node = _ask(connection)
                if is_ready:
                    _order.note(host)
                    self.moves = site.note(node)
                    return connection
                connection.close()
                error = pymysql.OperationalError(1290, f"{host[0]}:{host[1]} takes no writes now")
            except pymysql.OperationalError as caught:
                error = caught
        raise error

    def _connect(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except OSError as error:  # of a file of TLS
            raise pymysql.OperationalError(2026, f"its ssl_ files: {error}") from error

    def has_failed(self) -> bool:
        """Tell whether the driver knows that the connection is gone."""
        return not self.connection.open

    def is_usable(self) -> bool:
        """Tell whether the server answers and takes writes: it may do neither any more."""
        try:
            is_ready, _ = _ask(self.connection)
        except pymysql.Error:
            return False
        return is_ready


def _ask(connection: Any) -> tuple[bool, str]:
    with connection.cursor() as cursor:
        cursor.execute(_IS_READY)
        is_ready, node = cursor.fetchone()
        return bool(is_ready), node
