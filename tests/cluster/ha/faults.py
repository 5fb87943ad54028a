"""What may happen to a host, and how it is mended."""

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from bazaar.topology import Role, process_name
from tests.cluster.ha.cluster import HaCluster, HostCluster
from tests.cluster.ha.engine import Engine
from tests.cluster.ha.network import Host

KILLED_ROLES = (Role.CATALOG, Role.ORDER, Role.FRONT_END)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with its hosts and processes chosen."""

    label: str
    """What has happened to whom, in words."""
    target: str
    inject: Callable[[], object]
    heal: Callable[[], object]
    """Mends what the cluster does not mend by itself."""
    unserved: str = ""
    """The address of a front end that cannot serve meanwhile."""


class Faults:
    """All faults of a cluster by name; each is chosen by who does what at that moment."""

    def __init__(self, hosts: Sequence[Host], cluster: HaCluster, engine: Engine) -> None:
        """Take what is broken."""
        self._hosts, self._cluster, self._engine = hosts, cluster, engine
        self.named: dict[str, Callable[[], Iterator[Fault]]] = {
            **{f"kill-{part}": partial(self._kill_parts, part) for part in engine.parts},
            **{f"kill-{role}": partial(self._kill_role, role) for role in KILLED_ROLES},
            "pause-database": self._pause_database,
            "pause-catalog": self._pause_catalog,
            "pause-leader": self._pause_leader,
            "cut-link": self._cut_links,
            "kill-host": self._kill_hosts,
        }
        if not hosts[0].namespace:
            del self.named["cut-link"]  # loopback has no links

    def _kill_parts(self, part: str) -> Iterator[Fault]:
        for host in self._sorted(self._find_primary()):
            what = "primary" if host == self._find_primary() else "another"
            yield Fault(
                f"{part} killed ({what})",
                f"host {host.number}",
                inject=partial(self._engine.kill_part, host, part),
                heal=partial(self._engine.start_host, host),
            )

    def _kill_role(self, role: Role) -> Iterator[Fault]:
        for host in self._sorted(self._find_host_of(role)):
            name = process_name(role, host.number)
            yield Fault(
                f"{role} killed ({self._describe(role, name)})",
                name,
                inject=partial(self._cluster.signal, name, signal.SIGKILL),
                heal=lambda: None,
                unserved=host.address if role is Role.FRONT_END else "",
            )

    def _kill_hosts(self) -> Iterator[Fault]:
        for host in self._sorted(self._find_host_of(Role.CATALOG)):
            yield Fault(
                f"host lost ({self._list_duties(host)})",
                f"host {host.number}",
                inject=partial(self._lose, host),
                heal=partial(self._bring_back, host),
                unserved=host.address,
            )

    def _cut_links(self) -> Iterator[Fault]:
        for one, other in combinations(self._hosts, 2):
            has_active = self._find_host_of(Role.CATALOG) in (one, other)
            whose = "of the active catalog" if has_active else "of two standbys"
            yield Fault(
                f"link cut ({whose})",
                f"hosts {one.number} and {other.number}",
                inject=partial(one.cut, [other]),
                heal=one.heal,
            )

    def _pause_database(self) -> Iterator[Fault]:
        host = self._find_primary()
        yield Fault(
            "database paused (primary)",
            f"host {host.number}",
            inject=partial(self._engine.signal, host, signal.SIGSTOP),
            heal=partial(self._engine.signal, host, signal.SIGCONT),
        )

    def _pause_catalog(self) -> Iterator[Fault]:
        yield self._pause("catalog paused (active)", self._cluster.find_active())

    def _pause_leader(self) -> Iterator[Fault]:
        yield self._pause("order paused (leader)", self._cluster.find_leader())

    def _pause(self, label: str, name: str) -> Fault:
        return Fault(
            label,
            name,
            inject=partial(self._cluster.signal, name, signal.SIGSTOP),
            heal=partial(self._cluster.signal, name, signal.SIGCONT),
        )

    def _lose(self, host: Host) -> None:
        part = self._cluster.part(host)
        assert isinstance(part, HostCluster), "every host is one of ours"
        host.cut()
        self._engine.kill(host)
        part.kill_all()

    def _bring_back(self, host: Host) -> None:
        host.heal()
        self._engine.start_host(host)

    def _find_primary(self) -> Host:
        return self._engine.find_primary(self._find_host_of(Role.CATALOG))

    def _find_host_of(self, role: Role) -> Host:
        """Return the host of the active catalog, the leader, or the first front end."""
        match role:
            case Role.CATALOG:
                return self._cluster.find_host(self._cluster.find_active())
            case Role.ORDER:
                return self._cluster.find_host(self._cluster.find_leader())
        return self._hosts[0]

    def _sorted(self, first: Host) -> Sequence[Host]:
        """Return all hosts, one first."""
        return sorted(self._hosts, key=lambda host: host != first)

    def _describe(self, role: Role, name: str) -> str:
        match role:
            case Role.CATALOG:
                return "active" if name == self._cluster.find_active() else "standby"
            case Role.ORDER:
                return "leader" if name == self._cluster.find_leader() else "follower"
        return "one of three"

    def _list_duties(self, host: Host) -> str:
        duties = {
            "active catalog": self._find_host_of(Role.CATALOG),
            "leader": self._find_host_of(Role.ORDER),
            "primary": self._find_primary(),
        }
        return ", ".join(name for name, at in duties.items() if at == host) or "no duties"
