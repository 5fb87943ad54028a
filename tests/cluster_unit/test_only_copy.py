"""Nothing that only one database has is thrown away unasked (I3)."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bazaar.cluster import only_copy
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.cluster.sequence_file import SequenceFile
from bazaar.core.failures import NotServing, Unreachable
from bazaar.core.ledger import Page
from bazaar.core.types import Head, Position
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.statuses import CatalogStatus, ReplicaStatus
from tests.proof.cluster_files import ORDERS, ClusterFiles

LOG = "order-2"


def cut(files: ClusterFiles, name: str, orders: int) -> None:
    """Leave only the first orders."""
    table = "catalog_app_entry" if name == "catalog" else "order_app_logentry"
    files.damage(name, f"DELETE FROM {table} WHERE order_no > {orders}")


def test_a_log_that_the_ledger_has_may_go(files: ClusterFiles, cluster: Cluster) -> None:
    only_copy.check(cluster, LOG, 0)
    cut(files, LOG, 7)
    only_copy.check(cluster, LOG, 0)
    only_copy.check(cluster, LOG, 3)


def test_orders_that_the_ledger_lacks_are_kept_unless_their_number_is_named(
    files: ClusterFiles, cluster: Cluster
) -> None:
    cut(files, "catalog", ORDERS - 5)
    for lose in (0, 4, 6):
        with pytest.raises(ClusterError) as caught:
            only_copy.check(cluster, LOG, lose)
        assert f"order-2 has orders {ORDERS - 4} to {ORDERS} that" in str(caught.value)
        assert "rebuild order-2 --lose-orders 5 --data" in str(caught.value)
    only_copy.check(cluster, LOG, 5)


def test_another_history_is_counted_from_where_they_part(
    files: ClusterFiles, cluster: Cluster, tmp_path: Path
) -> None:
    other = ClusterFiles(tmp_path / "other", orders=ORDERS + 9, seed=2)
    other.path("catalog").replace(files.path("catalog"))
    with pytest.raises(ClusterError, match=rf"has orders 1 to {ORDERS} that the ledger lacks"):
        only_copy.check(cluster, LOG, 0)


@pytest.mark.parametrize("content", [None, b"", b"x" * 5000])
def test_without_a_ledger_the_log_is_the_only_copy(
    files: ClusterFiles, cluster: Cluster, content: bytes | None
) -> None:
    files.path("catalog").unlink()
    if content is not None:
        files.path("catalog").write_bytes(content)
    with pytest.raises(ClusterError, match=f"--lose-orders {ORDERS + 3}"):
        only_copy.check(cluster, LOG, 0)


@pytest.mark.parametrize("content", [None, b"", b"x" * 5000])
def test_a_log_that_cannot_be_read_keeps_nobody_from_a_rebuild(
    files: ClusterFiles, cluster: Cluster, content: bytes | None
) -> None:
    files.path(LOG).unlink()
    if content is not None:
        files.path(LOG).write_bytes(content)
    only_copy.check(cluster, LOG, 0)


class Answers:
    """A catalog that answers from its ledger, as many times as it can."""

    def __init__(self, heads: dict[int, Head], count: int = 99) -> None:
        self.heads, self.count = heads, count

    def status(self) -> CatalogStatus:
        return CatalogStatus(
            role="catalog",
            id=1,
            pid=1,
            up_since_s=0.0,
            is_ready=True,
            position=max(self.heads),
            stocks=3,
        )

    def ledger(self, after: Position, limit: int) -> Page:
        assert limit == 1
        self.count -= 1
        if self.count < 0:
            raise Unreachable
        head = self.heads[after]
        return Page(after=head, entries=(), digest=head.digest, last=Position(max(self.heads)))


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(CatalogClient, "status", lambda _: answers.status())
        patch.setattr(CatalogClient, "ledger", lambda _, *args: answers.ledger(*args))
        yield


def test_the_catalog_that_answers_counts_and_not_the_file_beside(
    files: ClusterFiles, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SequenceFile(files.path("catalog")) as ledger:
        heads = {at: ledger.head_at(Position(at)) for at in range(ledger.head.position + 1)}
    files.path("catalog").unlink()
    with answering(monkeypatch, Answers(heads)):
        only_copy.check(cluster, LOG, 0)
    shorter = {at: head for at, head in heads.items() if at <= ORDERS}
    with answering(monkeypatch, Answers(shorter)), pytest.raises(ClusterError, match="-orders 3 "):
        only_copy.check(cluster, LOG, 0)
    with (
        answering(monkeypatch, Answers(heads, count=1)),
        pytest.raises(ClusterError, match="catalog stopped answering"),
    ):
        only_copy.check(cluster, LOG, 0)


def test_a_price_counts_as_an_order_does(files: ClusterFiles, cluster: Cluster) -> None:
    with closing(sqlite3.connect(files.path("catalog"))) as database, database:
        database.execute("DELETE FROM catalog_app_entry")
        database.execute("DELETE FROM catalog_app_stockchange WHERE position = 3")
    files.damage(LOG, "DELETE FROM order_app_logentry")
    with pytest.raises(ClusterError, match=r"has a price change or listing that .*-orders 1 "):
        only_copy.check(cluster, LOG, 0)


def test_a_ledger_is_kept_while_every_replica_lacks_what_it_has(
    files: ClusterFiles, cluster: Cluster
) -> None:
    cut(files, "order-1", ORDERS - 5)
    cut(files, "order-2", ORDERS - 2)
    only_copy.check(cluster, "catalog", 0)
    files.path("order-3").unlink()
    with pytest.raises(ClusterError) as caught:
        only_copy.check(cluster, "catalog", 0)
    assert f"catalog has orders {ORDERS - 1} to {ORDERS} that every replica" in str(caught.value)
    assert "rebuild catalog --lose-orders 2 --data" in str(caught.value)
    only_copy.check(cluster, "catalog", 2)


def test_what_a_ledger_has_just_decided_is_waited_for(
    files: ClusterFiles, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load a ledger is ahead of every replica for a moment."""
    logs = [files.path(f"order-{number}") for number in (1, 2, 3)]
    complete = Path(shutil.copy(logs[0], tmp_path / "complete"))
    for log in logs:
        cut(files, log.stem, ORDERS - 1)
    monkeypatch.setattr(only_copy, "ON_ITS_WAY_S", 30.0)
    asked: list[str] = []

    class Slow(ReplicaClient):
        def status(self, timeout_s: float | None = None) -> ReplicaStatus:
            asked.append("")
            if len(asked) == 2 * len(logs):
                complete.replace(logs[1])
            raise Unreachable

    monkeypatch.setattr(only_copy, "ReplicaClient", Slow)
    only_copy.check(cluster, "catalog", 0)
    assert len(asked) >= 2 * len(logs)


@pytest.mark.parametrize("name", ["catalog", LOG])
def test_a_wrong_entry_and_what_follows_it_is_no_copy(
    files: ClusterFiles, cluster: Cluster, name: str
) -> None:
    """A newest entry with a flipped bit is in no other database, and need not be kept."""
    for other in ("catalog", "order-1", "order-2", "order-3"):
        if other != name:
            cut(files, other, ORDERS - 3)
    with pytest.raises(ClusterError, match="-orders 3 "):
        only_copy.check(cluster, name, 0)
    table = "catalog_app_entry" if name == "catalog" else "order_app_logentry"
    files.damage(name, f"UPDATE {table} SET quantity = 99 WHERE order_no = {ORDERS - 1}")
    with pytest.raises(ClusterError, match=f"has order {ORDERS - 2} that .*-orders 1 "):
        only_copy.check(cluster, name, 0)
    only_copy.check(cluster, name, 1)


def test_a_replica_that_calls_its_log_damaged_is_no_copy(
    files: ClusterFiles, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: ReplicaClient) -> ReplicaStatus:
        raise NotServing

    only_copy.check(cluster, "catalog", 0)
    monkeypatch.setattr(ReplicaClient, "status", refuse)
    with pytest.raises(ClusterError, match=f"-orders {ORDERS + 3}"):
        only_copy.check(cluster, "catalog", 0)


def test_a_ledger_that_is_damaged_where_it_counts_is_no_copy(
    files: ClusterFiles, cluster: Cluster
) -> None:
    files.damage("catalog", "UPDATE catalog_app_entry SET trade_type = 'x' WHERE order_no = 40")
    cut(files, LOG, ORDERS - 1)
    with pytest.raises(ClusterError, match=f"-orders {ORDERS + 2} "):
        only_copy.check(cluster, LOG, 0)


def test_a_log_that_is_damaged_where_it_counts_keeps_nobody_from_a_rebuild(
    files: ClusterFiles, cluster: Cluster
) -> None:
    cut(files, "catalog", ORDERS - 1)
    files.damage(LOG, "UPDATE order_app_logentry SET trade_type = 'x' WHERE order_no = 40")
    only_copy.check(cluster, LOG, 0)
