"""Clusters on ports that nobody uses."""

from bazaar.cluster.free_ports import free_ports, free_topology

__all__ = ["free_ports", "free_topology"]
