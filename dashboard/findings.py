"""What is found when a role is asked."""

from dataclasses import dataclass

from bazaar.protocol.statuses import Status
from bazaar.topology import Node

WORKER = "worker"
"""The role of a front end's further processes: only the catalog knows where they are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One role: what it told, or why it told nothing."""

    name: str
    role: str
    node: Node
    status: Status | None
    reason: str = ""
