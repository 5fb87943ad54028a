"""Another incarnation of the catalog: what was remembered of the last one is forgotten (I1, I7)."""

from uuid import UUID

from bazaar.core.election import Leadership
from bazaar.core.types import OrderNo, ReplicaId, Term
from bazaar.topology import Node
from frontend_app.entries import OrderEntry
from frontend_app.leader import LeaderWatch
from frontend_app.orders import OrderCache
from frontend_app.stocks import StockReader
from tests.frontend_app.conftest import LIMITS
from tests.frontend_app.fakes import FakeCatalog
from tests.support.histories import STOCK, make_order

NODE = Node(id=1, port=30001, control_port=30002)


def make_reader(catalog: FakeCatalog, told: list[str]) -> StockReader:
    return StockReader(catalog, NODE, LIMITS, forget=lambda: told.append("forget"))


def test_a_restored_catalog_makes_a_front_end_forget_whatever_its_lease_says(
    catalog: FakeCatalog,
) -> None:
    """The stock had version 2; the ledger that was put back knows only version 1."""
    told: list[str] = []
    reader = make_reader(catalog, told)
    catalog.incarnation = UUID(int=1)
    reader.keep_lease()
    catalog.change()
    assert reader.read(STOCK.name).entry.version == 2
    told.clear()
    holder = reader.holder.holder_id
    catalog.stocks[STOCK.name] = STOCK
    catalog.incarnation = UUID(int=2)
    reader.keep_lease()
    assert told == ["forget"]
    assert reader.holder.holder_id != holder
    assert reader.cache.find_old(STOCK.name) is None
    assert reader.read(STOCK.name).entry.version == 1


def test_the_same_incarnation_is_no_reason_to_forget(catalog: FakeCatalog) -> None:
    told: list[str] = []
    reader = make_reader(catalog, told)
    catalog.incarnation = UUID(int=1)
    reader.keep_lease()
    reader.read(STOCK.name)
    told.clear()
    reader.keep_lease()
    assert told == []
    assert list(reader.cache.entries) == [STOCK.name]


def test_orders_and_leader_are_forgotten(watch: LeaderWatch) -> None:
    orders = OrderCache(watch, LIMITS)
    orders.entries[OrderNo(1)] = OrderEntry(make_order(1))
    watch.elector.leadership = Leadership(Term(9), ReplicaId(1))
    watch.newest = OrderNo(5)
    orders.forget()
    watch.forget()
    assert orders.hit(OrderNo(1)) is None
    assert watch.newest == 0
    assert watch.elector.leadership == Leadership(Term(0), None)
