"""Everybody in a cluster who can be asked, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.topology import Topology


@dataclass(frozen=True, slots=True)
class Parties:
    """The typed clients of all roles; their connections end with the `with` block."""

    catalog: CatalogClient
    replicas: Mapping[str, ReplicaClient]
    front_ends: Mapping[str, FrontEndClient]

    @classmethod
    def of(cls, topology: Topology, secret: bytes, timeout_s: float) -> Self:
        """Return those of a cluster; timeout_s: for each call."""
        return cls(
            CatalogClient.at(topology.catalog, secret, timeout_s),
            {
                f"order-{node.id}": ReplicaClient.at(node, secret, timeout_s)
                for node in topology.replicas
            },
            {
                f"frontend-{node.id}": FrontEndClient.at(node, secret, timeout_s)
                for node in topology.front_ends
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self.catalog, *self.replicas.values(), *self.front_ends.values()):
            client.close()
