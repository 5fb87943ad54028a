"""Samples of the cluster, once a second under load: leader and lag."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from bazaar.client.answers import ClientError
from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.loadtest.chaos import is_front_end
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.totals import RunTotals
from bazaar.proof.records import ELECTED, Mark, Sample
from bazaar.protocol.statuses import ReplicaStatus
from bazaar.settings.env import SettingsError

LOOK_S = 1.0
LOOK_TIMEOUT_S = 0.5
"""For a front end to say who leads."""
END_TIMEOUT_S = 5.0


Probe = Callable[[], Sample]
"""Returns a sample of a cluster, without its time."""


def sample_cluster(cluster: Cluster) -> Sample:
    """Sample every role of a cluster whose description and secret are here."""
    snapshot = cluster.take_snapshot()
    lags = {
        view.name: view.status.lag_orders
        for view in snapshot.replicas
        if isinstance(view.status, ReplicaStatus)
    }
    leader = snapshot.leader.node.id if snapshot.leader else None
    return Sample(at_s=0.0, leader=leader, term=snapshot.term or None, lag_orders=lags)


def sample_front_end(client: Client) -> Sample:
    """Sample what a front end answers to any client."""
    try:
        leadership = client.leader()
    except ClientError:
        return Sample(at_s=0.0)
    return Sample(at_s=0.0, leader=leadership.id, term=leadership.term)


def own_data(environ: Mapping[str, str], urls: tuple[str, ...]) -> DataDir | None:
    """Return the data folder of the loaded cluster, if this machine has one."""
    try:
        data = DataDir.of(environ)
        cluster = Cluster(data, environ)
    except (ClusterError, SettingsError):
        return None
    is_it = all(is_front_end(url, cluster.topology) for url in urls)
    return data if is_it else None


def make_probe(data: DataDir | None, environ: Mapping[str, str], plan: Plan) -> Probe:
    """Return the best way to sample the cluster."""
    if data is not None:
        cluster = Cluster(data, environ)
        if any(view.status for view in cluster.take_snapshot().processes):
            return partial(sample_cluster, cluster)
    limits = Timeouts(deadline_s=LOOK_TIMEOUT_S, silence_s=LOOK_TIMEOUT_S, read_s=LOOK_TIMEOUT_S)
    return partial(sample_front_end, Client(plan.urls, limits, plan.token))


class Watcher:
    """A thread that takes samples."""

    def __init__(
        self,
        probe: Probe,
        totals: RunTotals,
        now_s: Callable[[], float],
        on_mark: Callable[[Mark], None],
    ) -> None:
        """
        Take the clock of the run, and where elections are marked.

        now_s: seconds since the run began. on_mark: called at elections, from this thread.
        """
        self._probe, self._totals, self._now_s, self._on_mark = probe, totals, now_s, on_mark
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._is_ending.set()
        self._thread.join(END_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self._look()
            if self._is_ending.wait(LOOK_S):
                return

    def _look(self) -> None:
        seen, now_s = self._probe(), self._now_s()
        ratio = self._totals.hits_between(int(now_s) - LOOK_S, now_s)
        sample = msgspec.structs.replace(seen, at_s=round(now_s, 3), hit_ratio=ratio)
        self._mark_election(sample)
        self._totals.sample(sample)

    def _mark_election(self, now: Sample) -> None:
        """Mark a leadership not seen before; the first one is no event."""
        terms = {one.term for one in self._totals.samples if one.term}
        if now.term and now.leader and terms and now.term not in terms:
            target = f"order-{now.leader}"
            self._on_mark(Mark(at_s=now.at_s, what=ELECTED, target=target, term=now.term))
