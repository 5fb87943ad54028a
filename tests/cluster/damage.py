"""Repairs of damaged replicas, as tests see them."""

from pathlib import Path

from tests.cluster.conftest import LiveCluster


def forget_repairs(cluster: LiveCluster) -> None:
    """Let every replica be repaired at once, however short ago its last repair was."""
    for path in cluster.data.root.glob("aside/*.damaged/*"):
        path.unlink()


def aside_of(cluster: LiveCluster, name: str) -> Path:
    """Return where the damaged database of a process is kept."""
    return cluster.data.root / "aside" / f"{name}.damaged" / f"{name}.sqlite3"
