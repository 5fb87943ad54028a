"""
The roles, and the cluster description (docs/DESIGN.md 1).

One TOML file describes the whole cluster, so the same code runs on one machine or on many. This
module reads and checks it; `bazaar.settings.env` decides which file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

DEFAULT_PATH = Path(__file__).with_name("cluster.toml")
REPLICAS_MAX = 99
"""Order replicas in one cluster: ports are 20000 + id and 21000 + id by default."""

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Id = Annotated[int, msgspec.Meta(ge=1, le=REPLICAS_MAX)]
_LABEL = "[0-9A-Za-z_-]{1,63}"
Host = Annotated[
    str,
    msgspec.Meta(pattern=rf"^({_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]{{2,45}})\Z", max_length=253),
]
"""A name or an address, IPv6 without brackets."""
FilePath = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


Address = tuple[str, int]
"""Host and port."""
WORKER = "worker"
"""
What a further process of a front end is called, with its control port.

Only the catalog knows their addresses.
"""


class TopologyError(ValueError):
    """The cluster description is not usable; the message names the place."""


class Role(StrEnum):
    """What a process does; the values are in names, on the wire and on disk."""

    CATALOG = "catalog"
    ORDER = "order"
    FRONT_END = "frontend"
    DASHBOARD = "dashboard"

    @property
    def settings_module(self) -> str:
        """The Django settings of its processes."""
        return f"bazaar.settings.{self}"

    @property
    def id_variable(self) -> str | None:
        """The variable with the number of a process; None when there is only one."""
        return _ID_VARIABLES.get(self)

    @property
    def has_control_port(self) -> bool:
        """Whether its processes have a second listener."""
        return self is not Role.DASHBOARD

    @property
    def app(self) -> str:
        """The Django app that holds its code."""
        return "dashboard" if self is Role.DASHBOARD else f"{self}_app"

    @property
    def has_database(self) -> bool:
        """Whether its processes store anything."""
        return self is not Role.FRONT_END


_ID_VARIABLES = {Role.ORDER: "BAZAAR_REPLICA_ID", Role.FRONT_END: "BAZAAR_FRONT_END_ID"}


def role_of(process: str) -> Role:
    """Return the role of a process by its name."""
    return Role(process.partition("-")[0])


@cache  # every signature names a process
def process_name(role: Role, node_id: int) -> str:
    """Return the name of a process: catalog, order-1, frontend-1, dashboard."""
    return f"{role}-{node_id}" if role.id_variable else str(role)


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one process listens; `control_port` is 0 when it has none."""

    id: Id = 1
    host: Host = "127.0.0.1"
    """Where others reach it."""
    listen: Host | None = None
    """The address of its machine that it opens, where that is another one."""
    port: Port
    control_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    scheme: Literal["http", "https"] | None = None
    """Of its URL: `parse` sets it where the cluster has TLS, and no description does."""
    database: str | None = None
    """The URL of its database on a server; None: a file in its data folder."""

    @property
    def listen_host(self) -> str:
        """The host whose ports its process opens."""
        return self.listen or self.host

    @property
    def address(self) -> Address:
        """Where clients and peers are served."""
        return self.host, self.port

    @property
    def control_address(self) -> Address:
        """Where control traffic goes."""
        return self.host, self.control_port

    @property
    def url(self) -> str:
        """Where clients and peers are served, as a URL without a slash at its end."""
        return f"{self.scheme or 'http'}://{format_address(self.host, self.port)}"


def format_host(host: str) -> str:
    """Return a host as URLs have it: with brackets around IPv6."""
    return f"[{host}]" if ":" in host else host


def format_address(host: str, port: int) -> str:
    """Return an address as URLs have it."""
    return f"{format_host(host)}:{port}"


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Where each host has its certificate, its key and the CA's certificate, in PEM.

    A path that is not absolute begins in the data folder of the host.
    """

    certificate: FilePath
    key: FilePath
    ca: FilePath


class Topology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every process of one cluster."""

    catalog: Node
    dashboard: Node
    front_ends: Annotated[tuple[Node, ...], msgspec.Meta(min_length=1, max_length=REPLICAS_MAX)]
    replicas: Annotated[tuple[Node, ...], msgspec.Meta(min_length=1, max_length=REPLICAS_MAX)]
    tls: TlsFiles | None = None
    """None: nothing between processes and clients is encrypted."""

    def replica(self, replica_id: int) -> Node:
        """Return one order replica. Raises TopologyError when there is no such id."""
        return _find("order replica", self.replicas, replica_id)

    def front_end(self, front_end_id: int) -> Node:
        """Return one front end. Raises TopologyError when there is no such id."""
        return _find("front end", self.front_ends, front_end_id)

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yield every process with its name, in the order of `Role`."""
        for role, nodes in (
            (Role.CATALOG, (self.catalog,)),
            (Role.ORDER, self.replicas),
            (Role.FRONT_END, self.front_ends),
            (Role.DASHBOARD, (self.dashboard,)),
        ):
            yield from ((process_name(role, node.id), node) for node in nodes)

    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of all processes, that of the first process first."""
        return tuple(dict.fromkeys(node.host for _, node in self.nodes()))

    def list_workers(self, holders: Iterable[Address]) -> list[tuple[str, Node]]:
        """
        Return name and node of each lease holder that is not one of `nodes`.

        Those are further workers of front ends. holders: control addresses of all.
        """
        known = {node.control_address for _, node in self.nodes()}
        return [
            (f"{WORKER}-{port}", Node(host=host, port=port, control_port=port))
            for host, port in holders
            if (host, port) not in known
        ]

    def map_nodes(self, change: Callable[[Node], Node]) -> "Topology":
        """Return the cluster with every node changed."""
        fields: dict[str, Any] = {
            name: tuple(map(change, value)) if isinstance(value, tuple) else change(value)
            for name, value in msgspec.structs.asdict(self).items()
            if isinstance(value, tuple | Node)
        }
        return msgspec.structs.replace(self, **fields)


def _find(what: str, nodes: tuple[Node, ...], node_id: int) -> Node:
    for node in nodes:
        if node.id == node_id:
            return node
    known = ", ".join(str(node.id) for node in nodes)
    raise TopologyError(f"no {what} has the id {node_id}; the cluster has {known}")


def parse(text: str) -> Topology:
    """Read a cluster description. Raises TopologyError, which names the place."""
    try:
        topology = msgspec.toml.decode(text, type=Topology)
    except msgspec.MsgspecError as error:
        raise TopologyError(str(error)) from error
    _check(topology)
    if topology.tls is None:
        return topology
    return topology.map_nodes(lambda node: msgspec.structs.replace(node, scheme="https"))


def _check(topology: Topology) -> None:
    for what, nodes in (("replicas", topology.replicas), ("front_ends", topology.front_ends)):
        ids = Counter(node.id for node in nodes)
        if twice := [node_id for node_id, count in ids.items() if count > 1]:
            raise TopologyError(f"{what}: id {twice[0]} is given twice")
    databases = Counter(node.database for _, node in topology.nodes() if node.database)
    if databases and max(databases.values()) > 1:
        raise TopologyError("two processes have the same database")
    listeners: Counter[Address] = Counter()
    for name, node in topology.nodes():
        if node.scheme is not None:
            raise TopologyError(f"{name}: a node has no scheme; a table [tls] stands for https")
        listeners[node.address] += 1
        if node.database and not role_of(name).has_database:
            raise TopologyError(f"{name}: it has no database")
        if not role_of(name).has_control_port:
            continue
        if node.control_port == 0:
            raise TopologyError(f"{name}: control_port is missing")
        listeners[node.control_address] += 1
    if shared := [address for address, count in listeners.items() if count > 1]:
        raise TopologyError(f"{shared[0][0]}:{shared[0][1]} is given to two listeners")


def load(path: Path) -> Topology:
    """
    Read a cluster description from a file.

    Raises TopologyError, which names file and place.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path} cannot be read: it is not text in UTF-8") from error
    except OSError as error:
        raise TopologyError(f"{path} cannot be read: {error.strerror}") from error
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from error


def local(replicas: int, front_ends: int = 1) -> Topology:
    """Return the default cluster with other numbers of replicas and front ends."""
    return Topology(
        catalog=Node(port=10001, control_port=10002),
        dashboard=Node(port=8000),
        front_ends=tuple(
            Node(id=i, port=29999 + 2 * i, control_port=30000 + 2 * i)
            for i in range(1, front_ends + 1)
        ),
        replicas=tuple(
            Node(id=i, port=20000 + i, control_port=21000 + i) for i in range(1, replicas + 1)
        ),
    )


def dump(topology: Topology) -> str:
    """Write a cluster description as TOML; `parse` reads it back."""
    lines: list[str] = []
    given = {name: one for name, one in msgspec.structs.asdict(topology).items() if one}
    for name, value in given.items():
        for node in value if isinstance(value, tuple) else (value,):
            lines += ["", f"[[{name}]]" if isinstance(value, tuple) else f"[{name}]"]
            lines += [
                f"{key} = {_toml(item)}"
                for key, item in msgspec.structs.asdict(node).items()
                if item is not None and key != "scheme"
            ]
    return "\n".join(lines).lstrip() + "\n"


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()
