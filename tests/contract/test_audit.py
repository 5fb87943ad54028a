"""A running cluster as the source of an audit: the real URLs of the roles, in small pages."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from bazaar.cluster import exits
from bazaar.core.failures import Unreachable
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.cluster_audit import audit_cluster, check_caches, compare
from bazaar.proof.remote import ClusterClients, RemoteLedger, RemoteLog, wait_until_level
from bazaar.proof.sources import SourceError
from bazaar.proof.verdict import AuditNotes, Verdict
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.http1 import Reply
from bazaar.protocol.transport import Transport
from catalog_app.models import Entry, Stock
from order_app.models import HeardTerm, LogEntry
from tests.contract.conftest import TERM, Cluster
from tests.support.histories import STOCK, make_trade

PAGE_ROWS = 2


class Cut:
    """A transport on which some calls fail after a while."""

    def __init__(self, real: Transport, path: str, after: int = 0) -> None:
        self.real, self.path, self.left = real, path, after

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        if path.startswith(self.path):
            self.left -= 1
            if self.left < 0:
                raise Unreachable("127.0.0.1:2 did not answer: cut")
        return self.real.call(method, path, body, timeout_s=timeout_s)


class Before:
    """A transport on which something happens just before a first call."""

    def __init__(self, real: Transport, path: str, act: Callable[[], object]) -> None:
        self.real, self.path, self.act = real, path, act

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        if path.startswith(self.path):
            act, self.act = self.act, lambda: None
            act()
        return self.real.call(method, path, body, timeout_s=timeout_s)


def audit(
    cluster: Cluster,
    replica: ReplicaClient | None = None,
    catalog: CatalogClient | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Verdict:
    """Audit the cluster; something may happen between opening the sources and reading them."""
    notes = AuditNotes()
    log = RemoteLog("order-2", replica or cluster.replica, PAGE_ROWS)
    ledger = RemoteLedger("catalog", catalog or cluster.catalog, PAGE_ROWS)
    meanwhile()
    with AuditDatabase() as scratch:
        compare(ledger, [log], scratch, notes)
        check_caches({"frontend-1": cluster.front_end}, scratch, notes)
    return notes.verdict()


def trade(cluster: Cluster, *numbers: int) -> None:
    cluster.shell.trade(TERM, [make_trade(number) for number in numbers])


def test_a_cluster_in_order_keeps_every_promise(cluster: Cluster) -> None:
    trade(cluster, 3, 4, 5)
    cluster.reader.read(STOCK.name)
    verdict = audit(cluster)
    assert (verdict.sentences, verdict.gaps) == ((), ())
    counts = verdict.counts
    assert counts["orders in the ledger"] == counts["orders in order-2"] == 5
    assert counts["stocks"] == 1


def test_an_empty_cluster_keeps_every_promise(cluster: Cluster) -> None:
    Entry.objects.all().delete()
    LogEntry.objects.all().delete()
    Stock.objects.update(quantity=STOCK.quantity, trade_volume=0)
    assert audit(cluster).sentences == ()


def test_trades_meanwhile_make_no_difference(cluster: Cluster) -> None:
    """The stocks are as of an order, and every source ends where it was when it was opened."""
    trade(cluster, 3)
    verdict = audit(cluster, meanwhile=lambda: trade(cluster, 4, 5, 6, 7))
    assert verdict.sentences == ()
    assert verdict.counts["orders in the ledger"] == verdict.counts["orders in order-2"] == 3


def test_trades_between_the_stocks_and_the_ledger_make_no_difference(cluster: Cluster) -> None:
    """I4 holds of the stocks and the orders that they are as of, not of all that came later."""
    wire = Before(cluster.catalog.control, "/rows", lambda: trade(cluster, 3, 4))
    verdict = audit(cluster, catalog=CatalogClient(wire, wire, 1))
    assert verdict.sentences == ()
    assert verdict.counts["orders in the ledger"] == 4


def test_damage_is_named_whether_the_replica_serves_or_not(cluster: Cluster) -> None:
    trade(cluster, 3, 4, 5)
    LogEntry.objects.filter(pk=4).update(quantity=9)
    for _ in range(2):
        (finding,) = audit(cluster).findings
        assert (finding.where, finding.invariant, finding.order_no) == ("order-2", "I1", 4)
        cluster.shell.machine.mark_corrupt()


def test_a_changed_stock_is_named(cluster: Cluster) -> None:
    Stock.objects.update(quantity=STOCK.quantity - 1)
    (finding,) = audit(cluster).findings
    assert (finding.where, finding.invariant) == ("catalog", "I4")
    assert finding.message == (
        "MenhirCo has a quantity of 999, but 998 follows: it opened with 1000, and 2 were bought "
        "and 0 sold up to order 2"
    )


def test_a_front_end_that_remembers_too_much_is_named(cluster: Cluster) -> None:
    """I7: the catalog changed, and nobody told the holder."""
    cluster.reader.read(STOCK.name)
    Stock.objects.update(version=9)
    (finding,) = audit(cluster).findings
    assert (finding.where, finding.invariant) == ("frontend-1", "I7")
    assert finding.message == "it remembers version 3 of MenhirCo, but the catalog had 9 before"
    Stock.objects.update(version=3, issued=3000)
    cluster.reader.lease.lost()
    assert audit(cluster).findings == ()


def test_a_term_that_nobody_gave_is_named(cluster: Cluster) -> None:
    cluster.shell.machine.term = type(TERM)(9)
    assert HeardTerm.objects.get().term == TERM
    assert "it has heard of term 9, but the catalog is at term 3" in audit(cluster).sentences[0]


def test_a_role_that_does_not_answer_is_a_source_that_cannot_be_read(cluster: Cluster) -> None:
    for path in ("/rows", "/status"):
        wire = Cut(cluster.replica.control, path)
        with pytest.raises(SourceError, match=r"order-2 cannot be read: .* did not answer: cut"):
            RemoteLog("order-2", ReplicaClient(wire, wire, 1))
    for path in ("/rows", "/stocks", "/leadership"):
        wire = Cut(cluster.catalog.control, path)
        with pytest.raises(SourceError, match=r"catalog cannot be read: .* did not answer: cut"):
            RemoteLedger("catalog", CatalogClient(wire, wire, 1))


def test_a_role_that_dies_meanwhile_is_a_gap(cluster: Cluster) -> None:
    trade(cluster, 3, 4, 5)
    wire = Cut(cluster.replica.control, "/rows", after=2)
    verdict = audit(cluster, replica=ReplicaClient(wire, wire, 1))
    assert (verdict.findings, verdict.exit) == ((), exits.UNREACHABLE)
    assert verdict.gaps == ("order-2 cannot be read: 127.0.0.1:2 did not answer: cut",)
    wire = Cut(cluster.catalog.control, "/rows", after=2)
    verdict = audit(cluster, catalog=CatalogClient(wire, wire, 1))
    assert verdict.gaps == ("catalog cannot be read: 127.0.0.1:2 did not answer: cut",)


def test_a_whole_cluster_is_asked_by_its_parties(cluster: Cluster) -> None:
    wire = Cut(cluster.replica.control, "/")
    dead = ReplicaClient(wire, wire, 1)
    replicas = {"order-1": dead, "order-2": cluster.replica}
    parties = ClusterClients(cluster.catalog, replicas, {"frontend-1": cluster.front_end})
    notes = AuditNotes()
    with parties, AuditDatabase() as scratch:
        assert audit_cluster(parties, scratch, notes, PAGE_ROWS)
    assert notes.findings == []
    assert notes.gaps == ["order-1 cannot be read: 127.0.0.1:2 did not answer: cut"]
    assert notes.counts["orders in the ledger"] == 2


def test_a_cluster_is_level_when_every_replica_has_what_the_ledger_has(cluster: Cluster) -> None:
    parties = ClusterClients(cluster.catalog, {"order-2": cluster.replica}, {})
    assert wait_until_level(parties, 0) == ()
    Entry.objects.create(**{**Entry.objects.values().get(pk=2), "order_no": 3, "key": uuid4()})
    assert wait_until_level(parties, 0) == ("order-2 is at order 2 of 3, and has been so for 0 s.",)
    cluster.shell.machine.mark_corrupt()
    assert wait_until_level(parties, 0) == (
        "order-2 does not serve (corrupt), and has been so for 0 s.",
    )
    wire = Cut(cluster.catalog.control, "/")
    silent = ClusterClients(CatalogClient(wire, wire, 1), {}, {})
    (sentence,) = wait_until_level(silent, 0)
    assert sentence.startswith("catalog: 127.0.0.1:2 did not answer: cut, and has been so")
