"""A front end beyond loopback trades with tokens only (docs/adr/0038)."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from bazaar.clock import wait_until
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.core.types import OrderNo
from bazaar.protocol.clients import CatalogClient
from bazaar.settings import env
from tests.cluster.apart import FrontEndApart, move_to
from tests.cluster.conftest import LiveCluster
from tests.cluster.netns import Namespace
from tests.cluster.proof import assert_proof
from tests.cluster.requests import Answer, ask_at

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

TIMEOUT_S = 30.0
SIDES = itertools.cycle(("buy", "sell"))
"""One after the other, so that there is always a share to trade."""


@dataclass(frozen=True)
class Apart:
    """A cluster, and one more front end in a network of its own."""

    cluster: LiveCluster
    front_end: FrontEndApart

    def manage(self, *words: str) -> str:
        """Run `manage.py token ...` in the cluster's data folder; return what it prints."""
        done = subprocess.run(
            [sys.executable, str(env.ROOT / "manage.py"), "token", *words],
            env=self.cluster.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        return done.stdout.strip()

    def trade(self, token: str | None = None, address: tuple[str, int] | None = None) -> Answer:
        """Buy or sell a share at the front end apart, or at another address."""
        told = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        if token is not None:
            told["Authorization"] = f"Bearer {token}"
        trade = {"stock_name": "GameStart", "trade_type": next(SIDES), "quantity": 1}
        where = address or self.front_end.node.address
        return ask_at(where, "POST", "/orders", json.dumps(trade), told)

    def read(self) -> Answer:
        """Read a stock without a token."""
        return ask_at(self.front_end.node.address, "GET", "/stocks?stock_name=GameStart")

    def await_status(self, token: str, status: int) -> None:
        """Trade until the answer has a status, for a front end takes it up by itself."""
        found: list[int] = []

        def is_there() -> bool:
            found.append(self.trade(token).status)
            return found[-1] == status

        assert wait_until(is_there, TIMEOUT_S), f"{status} not in {TIMEOUT_S:g} s: {found}"


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Apart]:
    with ExitStack() as stack:
        namespace = stack.enter_context(Namespace())
        nodes = move_to(free_topology(), namespace.outer)
        folder = tmp_path_factory.mktemp("tokens") / "cluster"
        cluster = LiveCluster.from_prepared(folder, prepared, nodes=nodes)
        stack.callback(cluster.end)
        assert cluster.try_up(), cluster.read_output()
        served, control = free_ports(2)
        front_end = FrontEndApart(cluster, namespace, (served, control), workers=1)
        stack.enter_context(front_end)
        yield Apart(cluster, front_end)


def test_a_trade_without_a_token_is_refused_and_says_how_to_make_one(apart: Apart) -> None:
    for address in (None, apart.cluster.topology.front_ends[0].address):
        refused = apart.trade(address=address)
        assert (refused.status, refused.body["order_no"]) == (401, -1)
        assert "manage.py token create NAME" in refused.body["message"]
        assert refused.headers["www-authenticate"].startswith("Bearer ")
    assert apart.read().status == 200


def test_a_token_trades_until_it_is_revoked(apart: Apart) -> None:
    """Nothing is started anew: running front ends take it up."""
    token = apart.manage("create", "bob")
    apart.await_status(token, 200)
    order_no = OrderNo(apart.trade(token).body["order_no"])
    node, secret = apart.cluster.topology.catalog, apart.cluster.secret
    with closing(CatalogClient.at(node, secret, TIMEOUT_S)) as catalog:
        (row,) = catalog.rows(OrderNo(order_no - 1), 1).rows
    assert (row.order_no, row.placed_by) == (order_no, "bob")
    assert "bob" in {one["name"] for one in json.loads(apart.manage("list", "-o", "json"))}

    apart.manage("revoke", "bob")
    apart.await_status(token, 401)
    assert "bob was revoked" in apart.trade(token).body["message"]
    assert_proof(apart.cluster)


def test_a_token_is_nowhere_but_with_its_owner(apart: Apart) -> None:
    """Not in a file or a log, not in a process list, not in what the dashboard shows."""
    token = apart.manage("create", "ann", "--scope", "trade", "--expires", "1h")
    apart.await_status(token, 200)
    apart.trade(f"{token}-wrong")
    secret = token.removeprefix("bazaar_").encode()
    files = [path for path in apart.cluster.folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".log") for path in files)
    assert [path.name for path in files if secret in path.read_bytes()] == []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            assert secret.decode() not in " ".join(process.cmdline())
    statuses = [view.status for view in apart.cluster.look().processes]
    assert statuses
    assert secret.decode() not in str(statuses)


def test_a_token_for_reading_cannot_trade(apart: Apart) -> None:
    token = apart.manage("create", "reader", "--scope", "read")
    apart.await_status(token, 403)
    refused = apart.trade(token)
    assert "--scope trade" in refused.body["message"]
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
