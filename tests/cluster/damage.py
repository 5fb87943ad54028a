"""Repairs of damaged replicas, as tests see them."""

from tests.cluster.conftest import LiveCluster


def forget_repairs(cluster: LiveCluster) -> None:
    """Let every replica be repaired at once, however short ago its last repair was."""
    for path in cluster.data.root.glob("*.damaged*"):
        path.unlink()
