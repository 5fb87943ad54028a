"""A front end: the real watch over the leader; all it knows dies with it."""

from collections.abc import Sequence

from bazaar.core.failures import Failure
from bazaar.core.ledger import Answer
from bazaar.core.types import ReplicaId
from bazaar.settings.env import Limits
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from tests.sim.calls import LedgerCalls, PeerCalls
from tests.sim.catalog import SimCatalog
from tests.sim.messages import LookUp, PlaceOrder
from tests.sim.replica import SimReplica
from tests.sim.tasks import Tasks
from tests.sim.threaded import ThreadedProcess
from tests.sim.waits import TaskWaits


class SimFrontend(ThreadedProcess):
    """One front-end process."""

    def __init__(self, name: str, tasks: Tasks, deadline_s: float) -> None:
        """deadline_s: after this a trade is answered, whatever is known."""
        super().__init__(name, tasks)
        self.limits = Limits(batch_trades_max=4, deadline_s=deadline_s)
        self.catalog: SimCatalog
        self.replicas: dict[ReplicaId, SimReplica] = {}

    def meet(self, catalog: SimCatalog, replicas: Sequence[SimReplica]) -> None:
        """Learn the cluster; before the first life."""
        self.catalog = catalog
        self.replicas = {replica.id: replica for replica in replicas}

    def start(self) -> None:
        super().start()
        timeout_s = self.limits.call_timeout_s
        replicas = {
            one: PeerCalls(self.tasks, one, replica, timeout_s)
            for one, replica in self.replicas.items()
        }
        self.watch = LeaderWatch(self._connect(), replicas, self.limits, self._make_waits())
        self.orders = OrderCache(self.watch, self.limits, self._make_waits())
        self.tasks.spawn(self, self._keep_watch)

    def _connect(self) -> LedgerCalls:
        """Return the catalog as this life calls it."""
        return LedgerCalls(self.tasks, self.catalog, self.limits.call_timeout_s)

    def _make_waits(self) -> TaskWaits:
        return TaskWaits(self.tasks)

    def answer(self, request: object) -> Answer:
        if isinstance(request, LookUp):
            return self.orders.fetch(request.order_no).order
        assert isinstance(request, PlaceOrder)
        return self.watch.place(request.trade)

    def _keep_watch(self) -> None:
        while True:
            try:
                self.watch._look()
            except Failure as failure:
                self.network.note(f"{self.name} found no leader: {failure!r}")
            self.watch._loop._wake.wait(self.watch._loop._interval_s)
            self.watch._loop._wake.clear()
