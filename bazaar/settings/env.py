"""
The environment, parsed and checked once at start (docs/DESIGN.md 7).

Every wrong value stops the process with one sentence that names the variable. This module imports
none of Django's machinery, so the launcher can check a role before it starts a server.
"""

import difflib
import hashlib
import hmac
import math
import re
import stat
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.core.exceptions import ImproperlyConfigured

from bazaar import topology
from bazaar.protocol import tls
from bazaar.settings import database_url, typed
from bazaar.settings.database_url import DatabaseUrl, DatabaseUrlError
from bazaar.topology import Node, Role, Topology

ROOT = typed.ROOT
SECRET_BYTES_MIN = 32
PREFIX = "BAZAAR_"
FLAGS = ("BAZAAR_FAULT_BUTTONS", "BAZAAR_HTTPS", "BAZAAR_ANONYMOUS_TRADES")
OTHERS = (
    *("BAZAAR_TOKENS_FILE", "BAZAAR_TOKEN", "BAZAAR_TOKEN_FILE"),
    *("BAZAAR_DATA_DIR", "BAZAAR_CLUSTER", "BAZAAR_SECRET_FILE", "BAZAAR_DATABASE_URL"),
    *("BAZAAR_CATALOG_ID", "BAZAAR_REPLICA_ID", "BAZAAR_FRONT_END_ID", "BAZAAR_ALLOWED_HOSTS"),
    *("BAZAAR_LOG", "BAZAAR_OTLP_ENDPOINT"),
)
INTERNAL = ("BAZAAR_SOCKET", "BAZAAR_PYTHON", "BAZAAR_PARENT_PID")
"""What `cluster up` sets for the supervisor and for what that starts."""
TESTS_PREFIX = "BAZAAR_TEST_"
LOG_STYLES = ("text", "json")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_OTLP_ENDPOINT = re.compile(r"https?://[0-9A-Za-z._-]+(:[0-9]{1,5})?(/[!-~]*)?")
_ALLOWED_HOST = re.compile(r"\.?[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*|\[[0-9A-Fa-f:.]+\]|\*")

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class SettingsError(ImproperlyConfigured):
    """A setting is missing or wrong; the message names variable and remedy."""


class StorageAwayError(SettingsError):
    """A database or its folder cannot be used now; a later try may succeed."""


class DamagedDatabaseError(SettingsError):
    """A database is damaged that its process mends by itself."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that a user may change (docs/DESIGN.md 7)."""

    ping_interval_s: Seconds = 0.2
    ping_timeout_s: Seconds = 0.5
    lease_s: Seconds = 2.0
    renewal_s: Seconds = 0.5
    replication_timeout_s: Seconds = 0.5
    heartbeat_s: Seconds = 0.2
    deadline_s: Seconds = 10.0
    """How long a front end repeats a trade before it answers 503."""
    call_timeout_s: Seconds = 3.0
    """How long any other call inside the cluster may take."""
    batch_trades_max: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 256
    waiting_trades_max: Count = 4096
    cache_stocks_max: Count = 10_000
    cache_orders_max: Count = 50_000
    page_orders_max: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1000
    min_recovery_replicas: Annotated[int, msgspec.Meta(ge=0, le=topology.REPLICAS_MAX)] = (
        topology.REPLICAS_MAX
    )
    """So many of the replicas that were last in sync have to answer a catalog that starts."""
    recovery_wait_s: Seconds = 3.0
    """How long it waits for those that do not answer, before it says so or goes on without."""
    verify_turn_s: Seconds = 15.0
    """For the background check to go through all rows of a database, at least."""
    min_in_sync: Annotated[int, msgspec.Meta(ge=1, le=topology.REPLICAS_MAX)] = 1
    token_requests_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Requests of one access token at once, and in `rate_window_s`; 0: any number."""
    address_requests_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """The same for requests without a good token, of one address."""
    rate_window_s: Seconds = 10.0
    spans_kept_max: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 10_000
    """Newest spans of trades in the memory of each process; 0: no trade can be followed."""
    served_threads: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 64
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Processes that serve one front end, each with a cache of its own."""
    control_connections_max: Annotated[int, msgspec.Meta(ge=10, le=10_000)] = 500
    """Connections to the control port."""
    head_timeout_s: Seconds = 10.0
    """From the first byte of a request to the end of its headers, in total."""
    body_timeout_s: Seconds = 30.0
    """From there to the end of its body, in total."""


_ORDERED = (
    ("lease_s", "renewal_s", 2.0),
    ("deadline_s", "ping_timeout_s", 1.0),
    ("deadline_s", "call_timeout_s", 1.0),
    ("deadline_s", "replication_timeout_s", 1.0),
    ("deadline_s", "lease_s", 1.0),
    ("call_timeout_s", "lease_s", 1.0),
)
"""(larger, smaller, factor): the first must be greater than factor times the second."""


FAILOVER_DEADLINE_S = 30.0
"""For `deadline_s` where Patroni replaces a lost host after 20 s (its least `ttl`), not before."""


def variable(field: str) -> str:
    """Return the environment variable of a limit."""
    return PREFIX + field.upper()


def check(environ: Mapping[str, str]) -> None:
    """
    Check all that every role and every command reads alike.

    Raises SettingsError: a wrong limit or flag, or a variable that nothing reads.
    """
    known = {*FLAGS, *OTHERS, *INTERNAL, *map(variable, Limits.__struct_fields__)}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(TESTS_PREFIX):
            near = difflib.get_close_matches(name, known.difference(INTERNAL), 1)
            meant = f"Did you mean {near[0]}? " if near else ""
            raise SettingsError(
                f"{name} is no variable of the bazaar. {meant}docs/CONFIGURATION.md lists them all."
            )
    read_limits(environ)
    read_allowed_hosts(environ)
    read_log_style(environ)
    read_otlp_endpoint(environ)
    for name in FLAGS:
        read_flag(environ, name)


def read_limits(environ: Mapping[str, str]) -> Limits:
    """Return the limits, changed by BAZAAR_... variables. Raises SettingsError."""
    values = {}
    for field in msgspec.structs.fields(Limits):
        text = environ.get(variable(field.name))
        if text is not None:
            values[field.name] = _convert(variable(field.name), text, field.type)
    limits = Limits(**values)
    for larger, smaller, factor in _ORDERED:
        if getattr(limits, larger) <= factor * getattr(limits, smaller):
            times = f"{factor:g} x " if factor != 1 else ""
            raise SettingsError(
                f"{variable(larger)} ({getattr(limits, larger):g}) must be greater than "
                f"{times}{variable(smaller)} ({getattr(limits, smaller):g})."
            )
    return limits


def read_cluster_limits(environ: Mapping[str, str], found: Topology) -> Limits:
    """
    Return the limits of a process of a cluster.

    Where several hosts of PostgreSQL are named, trades are repeated for longer than one of them
    takes to be replaced, unless BAZAAR_DEADLINE_S says something else. Raises SettingsError.
    """
    limits, text = read_limits(environ), found.catalog.database
    if variable("deadline_s") in environ or not text:
        return limits
    try:
        url = database_url.parse(text)
    except DatabaseUrlError:  # its own process says so
        return limits
    if not url.has_slow_failover:
        return limits
    return msgspec.structs.replace(limits, deadline_s=max(limits.deadline_s, FAILOVER_DEADLINE_S))


def _convert(name: str, text: str, kind: Any) -> Any:
    try:
        value = msgspec.convert(text, type=kind, strict=False)
    except msgspec.ValidationError as error:
        wanted = "a number of seconds, such as 2" if name.endswith("_S") else "a whole number"
        reason = f"it must be {wanted}, without a unit" if "got `str`" in str(error) else error
        raise SettingsError(f"{name}={text!r} is not usable: {reason}.") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{name}={text!r} is not usable: it must be a finite number.")
    return value


def read_data_dir(environ: Mapping[str, str]) -> Path:
    """Return the data folder: BAZAAR_DATA_DIR, by default var/."""
    return Path(environ.get("BAZAAR_DATA_DIR") or ROOT / "var").absolute()


def read_topology(environ: Mapping[str, str]) -> Topology:
    """Return the cluster description that BAZAAR_CLUSTER names, or the shipped one."""
    path = environ.get("BAZAAR_CLUSTER")
    try:
        found = topology.load(Path(path) if path else topology.DEFAULT_PATH)
    except topology.TopologyError as error:
        raise SettingsError(f"BAZAAR_CLUSTER: {error}.") from error
    limits = read_limits(environ)
    if limits.min_in_sync > len(found.replicas):
        raise SettingsError(
            f"BAZAAR_MIN_IN_SYNC ({limits.min_in_sync}) is more than the cluster's "
            f"{len(found.replicas)} order replicas (BAZAAR_CLUSTER)."
        )
    return found


def begin_tls(found: Topology, data_dir: Path) -> None:
    """Have this process use TLS where the cluster does. Raises SettingsError: no good files."""
    if found.tls is None:
        tls.use_tls(None)
        return
    names = found.tls.certificate, found.tls.key, found.tls.ca
    try:
        tls.use_tls(tls.TlsPaths(*(data_dir / name for name in names)))
    except OSError as error:
        raise SettingsError(
            f"BAZAAR_CLUSTER: [tls] names files that cannot be used ({error}). "
            "`manage.py cluster certificates` makes some for trying."
        ) from error


def read_flag(environ: Mapping[str, str], name: str) -> bool:
    """Return a variable that is 0 (the default) or 1, or says so. Raises SettingsError."""
    text = environ.get(name) or "0"
    if text.lower() not in (*_YES, *_NO):
        raise SettingsError(
            f"{name}={text!r} is neither 1 ({', '.join(_YES[1:])}) nor 0 ({', '.join(_NO[1:])})."
        )
    return text.lower() in _YES


def read_allowed_hosts(environ: Mapping[str, str]) -> set[str]:
    """Return the further hosts that clients may use. Raises SettingsError."""
    text = environ.get("BAZAAR_ALLOWED_HOSTS", "")
    found = {host.strip() for host in text.split(",")} - {""}
    if wrong := sorted(host for host in found if not _ALLOWED_HOST.fullmatch(host)):
        raise SettingsError(
            f"BAZAAR_ALLOWED_HOSTS: {wrong[0]!r} is no host name. Give names without scheme and "
            "port, with commas between: bazaar.example.com,10.0.0.5."
        )
    return found


def read_log_style(environ: Mapping[str, str]) -> str:
    """Return how log lines are written: text, the default, or json. Raises SettingsError."""
    style = environ.get("BAZAAR_LOG") or "text"
    if style not in LOG_STYLES:
        raise SettingsError(f"BAZAAR_LOG={style!r} is neither {' nor '.join(LOG_STYLES)}.")
    return style


def read_otlp_endpoint(environ: Mapping[str, str]) -> str:
    """Return the URL that spans are exported to; empty: to none. Raises SettingsError."""
    endpoint = environ.get("BAZAAR_OTLP_ENDPOINT", "")
    if not endpoint:
        return ""
    if not _OTLP_ENDPOINT.fullmatch(endpoint):
        raise SettingsError(
            f"BAZAAR_OTLP_ENDPOINT={endpoint!r} is not the URL of a collector that takes OTLP over "
            "HTTP, such as http://127.0.0.1:4318."
        )
    if find_spec("opentelemetry") is None:
        raise SettingsError(
            "BAZAAR_OTLP_ENDPOINT needs OpenTelemetry, which is not installed: "
            f"`{sys.executable} -m pip install '{ROOT}[otel]'`."
        )
    return endpoint


def read_id(environ: Mapping[str, str], name: str, default: str | None = None) -> int:
    """Return the id of a replica or front end. Raises SettingsError."""
    text = environ.get(name, default)
    if text is None:
        raise SettingsError(f"{name} is not set: which one is this process? Give a number from 1.")
    if not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{name}={text!r} is not a number from 1.")
    return int(text)


def read_role(text: str) -> Role:
    """Return the role of that name. Raises SettingsError."""
    try:
        return Role(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is not a role; roles are {', '.join(Role)}.") from error


def read_node(environ: Mapping[str, str], role: Role) -> Node:
    """Return the node of a role and the id in its variable. Raises SettingsError."""
    found = read_topology(environ)
    try:
        match role:
            case Role.CATALOG:
                return found.find_catalog(read_id(environ, "BAZAAR_CATALOG_ID", "1"))
            case Role.ORDER:
                return found.replica(read_id(environ, "BAZAAR_REPLICA_ID"))
            case Role.FRONT_END:
                return found.front_end(read_id(environ, "BAZAAR_FRONT_END_ID", "1"))
            case _:
                return dict(found.nodes())[role]  # the only one of its role has its name
    except topology.TopologyError as error:
        raise SettingsError(f"{role.id_variable}: {error} (BAZAAR_CLUSTER).") from error


def read_database_url(environ: Mapping[str, str], name: str, node: Node) -> DatabaseUrl | None:
    """
    Return where a process has its database; None: in a file of its data folder.

    name: of the process. Raises SettingsError, without a password in it.
    """
    variable_name, text = "BAZAAR_DATABASE_URL", environ.get("BAZAAR_DATABASE_URL", "")
    if not text:
        variable_name, text = f"BAZAAR_CLUSTER: {name}: database", node.database or ""
    if not text:
        return None
    try:
        found = database_url.parse(text)
    except DatabaseUrlError as error:
        raise SettingsError(f"{variable_name}: the URL cannot be used: {error}.") from error
    if missing := database_url.find_missing_driver(found):
        raise SettingsError(f"{variable_name}: {missing}.")
    return found


def secret_path(environ: Mapping[str, str]) -> Path:
    """Return the secret's file: BAZAAR_SECRET_FILE, or one in the data folder."""
    return Path(
        environ.get("BAZAAR_SECRET_FILE") or read_data_dir(environ) / "cluster.secret"
    ).absolute()


def read_secret(environ: Mapping[str, str]) -> bytes:
    """Return the secret. Raises SettingsError: missing, short or open to others."""
    path = secret_path(environ)
    init = f"`{typed.manage('cluster', 'init', data=read_data_dir(environ))}` makes one."
    try:
        if path.exists() and not path.is_file():
            raise SettingsError(
                f"BAZAAR_SECRET_FILE: {path} cannot be read: it is no file. Name another, or move "
                "away what is in its place."
            )
        secret = path.read_bytes().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SettingsError(
            f"BAZAAR_SECRET_FILE: {path} cannot be read ({error.strerror}). {init}"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"BAZAAR_SECRET_FILE: {path} cannot be read ({error.strerror}). "
            "Run as its owner, or move away what is in its place."
        ) from error
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(
            f"BAZAAR_SECRET_FILE: {path} holds {len(secret)} bytes; "
            f"at least {SECRET_BYTES_MIN} are needed. Delete it, then {init}"
        )
    if mode & 0o077:
        raise SettingsError(
            f"BAZAAR_SECRET_FILE: {path} is open to others (mode {mode:04o}); chmod 600 it."
        )
    return secret


def read_cluster_id(environ: Mapping[str, str]) -> UUID | None:
    """Return the identity that `init` made; None without one. Raises SettingsError."""
    path = read_data_dir(environ) / "cluster.id"
    try:
        return UUID(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} is not the identity of a cluster ({error}). Put back the one of this "
            "cluster's other hosts or backups; or remove it, and the databases tell theirs."
        ) from error


def derive(secret: bytes, purpose: str) -> str:
    """Return a secret for one purpose, derived from the cluster's."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()
