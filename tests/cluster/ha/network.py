"""Three hosts on one machine: network namespaces on a bridge, or addresses of loopback."""

import os
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster.netns import check_available, check_program, run_program
from tests.cluster.three_hosts import ADDRESSES

COUNT = 3
_TABLE = "inet bazaar"


@dataclass(frozen=True, slots=True)
class Host:
    """One host."""

    number: int
    """1, 2 or 3."""
    address: str
    namespace: str = ""
    """Empty: it is an address of loopback."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command line begins with to run there; it becomes the program, same pid."""
        return ("ip", "netns", "exec", self.namespace) if self.namespace else ()

    def cut(self, peers: Collection["Host"] = ()) -> None:
        """Drop what comes from some hosts and goes to them, in open connections too; none: all."""
        if self.namespace:
            rules = write_rules([peer.address for peer in peers])
            run_program(*self.prefix, "nft", rules)

    def heal(self) -> None:
        """Let everything through again."""
        if self.namespace:
            run_program(*self.prefix, "nft", f"add table {_TABLE}; delete table {_TABLE}")


def write_rules(addresses: Sequence[str]) -> str:
    """Return rules of nft that drop what has to do with some addresses; none: everything."""
    which = f"{{ {', '.join(addresses)} }}" if addresses else "0.0.0.0/0"
    chains = "".join(
        f"chain {name} {{ type filter hook {name} priority 0; {interface} lo accept; "
        f"ip {end} {which} drop; }}\n"
        for name, interface, end in (("input", "iif", "saddr"), ("output", "oif", "daddr"))
    )
    return f"table {_TABLE} {{\n{chains}}}"


@contextmanager
def make_hosts(*, is_root: bool) -> Iterator[list[Host]]:
    """Yield the hosts for as long as a `with` block runs. Raises NetworkUnavailable."""
    if not is_root:
        yield [Host(number, address) for number, address in enumerate(ADDRESSES, 1)]
        return
    check_available()
    check_program("nft", "nftables")
    number = os.getpid()
    subnet, bridge = f"10.78.{number % 250}", f"bz{number}"
    made = [Host(n, f"{subnet}.{n}", f"bazaar-{number}-{n}") for n in range(1, COUNT + 1)]
    try:
        run_program("ip", "link", "add", bridge, "type", "bridge")
        run_program("ip", "address", "add", f"{subnet}.254/24", "dev", bridge)
        run_program("ip", "link", "set", bridge, "up")
        for host in made:
            _connect(host, bridge)
        yield made
    finally:
        _remove(made, bridge)


def _connect(host: Host, bridge: str) -> None:
    here = f"{bridge}h{host.number}"
    run_program("ip", "netns", "add", host.namespace)
    peer = ("type", "veth", "peer", "eth0", "netns", host.namespace)
    run_program("ip", "link", "add", here, *peer)
    run_program("ip", "link", "set", here, "master", bridge, "up")
    for words in (
        ("address", "add", f"{host.address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        run_program(*host.prefix, "ip", *words)


def _remove(hosts: Sequence[Host], bridge: str) -> None:
    # The links first: a namespace lives on while a process is in it, and keeps its end.
    for words in (
        *(("link", "delete", f"{bridge}h{host.number}") for host in hosts),
        *(("netns", "delete", host.namespace) for host in hosts),
        ("link", "delete", bridge),
    ):
        subprocess.run(("ip", *words), capture_output=True, check=False)
