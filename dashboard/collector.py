"""
What the whole cluster tells of itself at one moment.

All roles are asked side by side, each with a timeout; a role that does not answer is a finding, not
an error.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bazaar.core.failures import Failure
from bazaar.protocol.statuses import Status
from bazaar.topology import Node, Topology

POLL_TIMEOUT_S = 0.5

Ask = Callable[[str, Node, float], Status]
"""How one role is asked: role, node, timeout in seconds; raises Failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One role: what it told, or why it told nothing."""

    name: str
    role: str
    node: Node
    status: Status | None
    reason: str = ""


class Collector:
    """Asks every role of a cluster for its status."""

    def __init__(self, topology: Topology, ask: Ask) -> None:
        """Take the cluster and the way to ask."""
        self._targets = [
            (name, name.partition("-")[0], node)
            for name, node in topology.nodes()
            if node.control_port
        ]
        self._ask = ask
        self._pool = ThreadPoolExecutor(len(self._targets), thread_name_prefix="collect")

    def collect(self) -> Sequence[Finding]:
        """Return one finding a role, in the cluster's order, within the timeout."""
        return list(self._pool.map(self._find, self._targets))

    def _find(self, target: tuple[str, str, Node]) -> Finding:
        name, role, node = target
        try:
            return Finding(name, role, node, self._ask(role, node, POLL_TIMEOUT_S))
        except Failure as failure:
            return Finding(name, role, node, None, failure.message)
