"""A cluster of our own: in a temporary folder, on free ports, gone in the end."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bazaar import topology
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.errors import ClusterError
from bazaar.cluster.free_ports import free_topology
from bazaar.cluster.operations import Cluster
from bazaar.cluster.snapshot import Health
from bazaar.cluster.stopping import stop_cluster
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.cluster.waits import wait_until
from bazaar.settings import env

UP_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
TRIES = 3
"""To bring it up: somebody else may take a port between choosing and opening it."""
OUTPUT = "up.out"


@contextlib.contextmanager
def own_cluster(environ: Mapping[str, str], **settings: object) -> Iterator[Cluster]:
    """
    Run a healthy cluster of three replicas and one front end, and end it.

    settings: variables of its environment. Raises ClusterError: it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="bazaar-evaluation-") as folder:
        variables = {**environ, **{name: str(value) for name, value in settings.items()}}
        process, cluster = _bring_up(Path(folder), variables)
        try:
            yield cluster
        finally:
            cluster.close()
            end(process, cluster.data)


def _bring_up(folder: Path, environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Cluster]:
    for number in range(TRIES):
        data = DataDir(folder / str(number))
        process = _begin(data, folder / f"{number}.toml", environ)
        try:
            cluster = _wait_for(process, data, environ)
        except BaseException:
            end(process, data)
            raise
        if cluster is not None:
            return process, cluster
        end(process, data)
        if "cannot listen" not in _said(data):
            break
    raise ClusterError(f"The cluster to be measured did not come up: {_last_line(_said(data))}")


def _begin(data: DataDir, wished: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    wished.write_text(topology.dump(free_topology()), encoding="utf-8")
    data.make()
    up = (str(env.ROOT / "manage.py"), "cluster", "up", "--stocks", "sp500")
    with (data.root / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "bazaar.cluster.tie", str(os.getpid()), sys.executable, *up],
            env={**cluster_environment(data, environ), "BAZAAR_CLUSTER": str(wished)},
            cwd=env.ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )


def _wait_for(
    process: subprocess.Popen[bytes], data: DataDir, environ: Mapping[str, str]
) -> Cluster | None:
    """Return the cluster once it is healthy; None: it ended, or never was."""
    wait_until(lambda: " up, " in _said(data) or process.poll() is not None, UP_TIMEOUT_S)
    if " up, " not in _said(data):
        return None
    cluster = Cluster(data, cluster_environment(data, environ))
    if wait_until(lambda: cluster.look().health is Health.HEALTHY, UP_TIMEOUT_S):
        return cluster
    cluster.close()
    return None


def end(process: subprocess.Popen[bytes], data: DataDir) -> None:
    """Stop a cluster and wait until it is gone."""
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        stop_cluster(data)
        process.kill()
        process.wait()


def _said(data: DataDir) -> str:
    return (data.root / OUTPUT).read_text(errors="replace")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
