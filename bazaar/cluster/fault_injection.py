"""
Fault injection for the dashboard's fault buttons, in its own process.

A role does not import `bazaar.cluster`; the dashboard's settings name this class, and its wiring
loads it (docs/adr/0019). All waiting is done by `Cluster`, with its timeouts.
"""

import os
import subprocess
import sys
from pathlib import Path

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.settings import env
from bazaar.settings.env import SettingsError
from bazaar.topology import Role, role_of
from dashboard.actions import FaultRefused

SIGNAL_NAMES = {"kill": "KILL", "pause": "STOP", "resume": "CONT"}


class FaultInjector:
    """Breaks and mends the processes of one data folder; safe for many threads."""

    def __init__(self, data_dir: Path) -> None:
        """data_dir: where the cluster is, be it up or not."""
        self._data = DataDir(data_dir)
        self._cluster: Cluster | None = None

    def inject(self, verb: str, name: str) -> str:
        """Inject one fault and return what was done. Raises FaultRefused."""
        try:
            cluster = self._cluster = self._cluster or Cluster(self._data, os.environ)
            if verb in SIGNAL_NAMES:
                return cluster.kill(name, SIGNAL_NAMES[verb])
            if role_of(name) is Role.DASHBOARD:
                return self._restart_dashboard(name)
            return ", ".join(cluster.restart(name))
        except (ClusterError, SettingsError) as error:
            raise FaultRefused(" ".join(str(error).split())) from error

    def _restart_dashboard(self, name: str) -> str:
        """Start the command that does it in a session of its own, so that it outlives us."""
        line = [sys.executable, str(env.ROOT / "manage.py"), "cluster"]
        line += ["--settings", "bazaar.settings.base"]  # before the verb, which takes none
        line += ["restart", name, "--data", str(self._data.root)]
        subprocess.Popen(
            line,
            cwd=env.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return f"{name} is being restarted; this page reconnects by itself"
