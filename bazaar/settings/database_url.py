"""
The URL of a database on a server.

`postgresql://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME?OPTION=VALUE`, or `mysql://` for MariaDB.
Several hosts are tried in turn until one takes writes. This module imports none of Django's
machinery and no driver.
"""

import re
import sys
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from math import ceil
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from bazaar.settings import typed

CONNECT_TIMEOUT_S = 2
"""To open a connection to one of the hosts of PostgreSQL; less is too little for its driver."""
MARIADB_CONNECT_TIMEOUT_S = 0.5
"""The same of MariaDB: the next host may be there while one is cut off."""
SESSION_IDLE_S = 600
"""Without a statement, after which the server may end a session."""
LOCK_WAIT_SHARE = 0.8
"""Of the time in which a server has to answer, that a statement may wait for a lock."""
PREPARED_AFTER = 5
"""Runs of a statement in a session, after which PostgreSQL keeps its plan."""
MARIADB_COLLATION = "utf8mb4_nopad_bin"
"""Texts are the same if their letters are, as everywhere else."""
_URL = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<hosts>[^/?@]*)"
    r"/(?P<name>[^/?#]+)(?:\?(?P<options>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::(?P<port>[0-9]{1,5}))?")


_OWN_OPTIONS = frozenset(
    (
        *("user", "passwd", "password", "db", "dbname", "database"),
        *("options", "target_session_attrs", "prepare_threshold", "connect_timeout"),
        *("tcp_user_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("read_timeout", "write_timeout", "init_command"),
    )
)
"""Options of the drivers that a URL cannot have: promises rest on those that are set here."""


_FLAGS = {"true": True, "false": False}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class Scheme(msgspec.Struct, frozen=True):
    """What a scheme stands for."""

    backend: str
    """The engine of Django."""
    driver: str
    """Its module."""
    extra: str
    """What installs it."""
    port: int
    options: Mapping[str, Collection[str]]
    """What a URL may have for the driver, each with the values there are; none: any text."""


_POSTGRESQL = Scheme(
    "bazaar.runtime.backends.postgresql",
    "psycopg",
    "postgresql",
    5432,
    {
        **dict.fromkeys(("host", "hostaddr", "passfile", "application_name", "requirepeer"), ()),
        **dict.fromkeys(("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"), ()),
        "sslmode": _SSL_MODES,
        "gssencmode": ("disable", "prefer", "require"),
        "channel_binding": ("disable", "prefer", "require"),
    },
)
_MARIADB = Scheme(
    "bazaar.runtime.backends.mariadb",
    "pymysql",
    "mariadb",
    3306,
    {
        **dict.fromkeys(("unix_socket", "bind_address"), ()),
        **dict.fromkeys(("ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password"), ()),
        **dict.fromkeys(("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"), _FLAGS),
    },
)
SCHEMES = {
    "postgresql": _POSTGRESQL,
    "postgres": _POSTGRESQL,
    "mysql": _MARIADB,
    "mariadb": _MARIADB,
}


class DatabaseUrlError(ValueError):
    """A URL of a database cannot be used; the message says why, without any password."""


class DatabaseUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database is, and how it is reached."""

    scheme: Scheme
    user: str
    password: str
    hosts: tuple[tuple[str, int], ...]
    """None: the driver's default, a socket of this machine."""
    name: str
    options: Mapping[str, str | bool]
    """For the driver, such as `sslmode`."""

    @property
    def has_slow_failover(self) -> bool:
        """Whether a host may be replaced, later than most callers wait: PostgreSQL's may."""
        return self.scheme is _POSTGRESQL and len(self.hosts) > 1

    def __str__(self) -> str:
        """Return it as it may be shown."""
        user = f"{quote(self.user)}@" if self.user else ""
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.scheme.extra}://{user}{hosts}/{self.name}"

    def make_settings(self, idle_in_transaction_s: float, answer_s: float) -> dict[str, Any]:
        """
        Return the database as Django's settings have it.

        idle_in_transaction_s: after which the server ends a session that holds locks. answer_s: how
        long a server may be silent before it counts as gone.
        """
        make_options = _postgresql_options if self.scheme is _POSTGRESQL else _mariadb_options
        return {
            "ENGINE": self.scheme.backend,
            "NAME": self.name,
            "USER": self.user,
            "PASSWORD": self.password,
            "HOST": ",".join(host for host, _ in self.hosts),
            "PORT": ",".join(str(port) for _, port in self.hosts),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {**make_options(idle_in_transaction_s, answer_s), **self.options},
        }


def parse(text: str) -> DatabaseUrl:
    """Read a URL. Raises DatabaseUrlError."""
    found = _URL.fullmatch(text)
    if found is None:
        raise DatabaseUrlError(
            "it has to look like postgresql://USER:PASSWORD@HOST:PORT/NAME; in user and password, "
            "write `@`, `/` and `:` as %40, %2F and %3A"
        )
    scheme = SCHEMES.get(found["scheme"])
    if scheme is None:
        raise DatabaseUrlError(f"{found['scheme']}:// is none of {', '.join(SCHEMES)}")
    return DatabaseUrl(
        scheme=scheme,
        user=unquote(found["user"] or ""),
        password=unquote(found["password"] or ""),
        hosts=tuple(
            _read_host(one, number, scheme)
            for number, one in enumerate(found["hosts"].split(","), 1)
            if one
        ),
        name=unquote(found["name"]),
        options=dict(
            _read_option(name, value, scheme)
            for name, value in parse_qsl(found["options"] or "", keep_blank_values=True)
        ),
    )


def describe_url(text: str | None) -> str:
    """Return a URL as it may be shown; empty: there is none."""
    return str(parse(text)) if text else ""


def _read_host(text: str, number: int, scheme: Scheme) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    port = int(found["port"] or scheme.port) if found else 0
    if found is None or not 1 <= port <= 65535:  # noqa: PLR2004 - of TCP
        # Its text is not told: without the `@` it is a password.
        raise DatabaseUrlError(
            f"its host {number} is no HOST or HOST:PORT; before it comes USER:PASSWORD@, or nothing"
        )
    return found["host"].strip("[]"), port


def _read_option(name: str, value: str, scheme: Scheme) -> tuple[str, str | bool]:
    if name in _OWN_OPTIONS:
        raise DatabaseUrlError(f"its option {name} is set by Bazaar, or by the URL itself")
    if name not in scheme.options:
        known = ", ".join(sorted(scheme.options))
        raise DatabaseUrlError(f"{name} is no option of {scheme.extra}://, which has {known}")
    values = scheme.options[name]
    if values and value not in values:
        raise DatabaseUrlError(f"its option {name} is {' or '.join(values)}, not {value!r}")
    return name, _FLAGS[value] if values is _FLAGS else value


def find_missing_driver(url: DatabaseUrl) -> str:
    """Return what to do about a driver that is not installed; nothing: it is."""
    if find_spec(url.scheme.driver) is not None:
        return ""
    extra = f"{typed.ROOT}[{url.scheme.extra}]"
    return (
        f"{url} needs {url.scheme.driver}, which is not installed: "
        f"`{sys.executable} -m pip install '{extra}'`"
    )


def _lock_wait_s(answer_s: float) -> float:
    """Return how long a statement may wait for a lock: the server tells before it is given up."""
    return answer_s * LOCK_WAIT_SHARE


def _postgresql_options(idle_in_transaction_s: float, answer_s: float) -> dict[str, Any]:
    # No statement_timeout: it would end the wait for a standby, and COMMIT would not fail.
    session = {
        "idle_in_transaction_session_timeout": f"{ceil(idle_in_transaction_s * 1000)}",
        "idle_session_timeout": f"{SESSION_IDLE_S * 1000}",
        "lock_timeout": f"{ceil(_lock_wait_s(answer_s) * 1000)}",  # 0 would be without end
    }
    return {
        "target_session_attrs": "read-write",
        "prepare_threshold": PREPARED_AFTER,
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "read_timeout": answer_s,
        "tcp_user_timeout": f"{ceil(answer_s * 1000)}",
        "keepalives_idle": "1",
        "keepalives_interval": "1",
        "keepalives_count": "2",
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
    }


def _mariadb_options(idle_in_transaction_s: float, answer_s: float) -> dict[str, Any]:
    session = {
        "sql_mode": "CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES,ANSI_QUOTES,PIPES_AS_CONCAT')",
        "wait_timeout": SESSION_IDLE_S,
        "idle_transaction_timeout": ceil(idle_in_transaction_s),
        "innodb_lock_wait_timeout": int(_lock_wait_s(answer_s)),  # 0: not at all
        "group_concat_max_len": 64 * 1024 * 1024,
        "wsrep_sync_wait": 1,  # reads see the newest commit of all nodes
    }
    assignments = ", ".join(f"{name} = {value}" for name, value in session.items())
    return {
        "connect_timeout": MARIADB_CONNECT_TIMEOUT_S,
        "read_timeout": answer_s,
        "write_timeout": answer_s,
        "ssl_key_password": "",  # else OpenSSL would ask whoever sits there
        "init_command": f"SET SESSION {assignments}",
    }
