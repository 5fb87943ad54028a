"""Two catalogs on one PostgreSQL: the active one is killed, and paused (I1, I2, I3, I5, I7)."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from bazaar.clock import wait_until
from bazaar.core.failures import NotActive
from bazaar.loadtest.prove import audit
from bazaar.protocol.clients import CatalogClient
from tests.cluster.conftest import HEAL_TIMEOUT_S, LiveCluster
from tests.cluster.requests import ask, buy
from tests.cluster.two_catalogs import (
    STOCK,
    Load,
    await_standby,
    find_active,
    load,
    run_two,
    settle,
    statuses,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    with run_two(tmp_path_factory.mktemp("two")) as cluster:
        yield cluster


@pytest.fixture
def own(shared: LiveCluster) -> LiveCluster:
    """Return the cluster, well, with an active catalog and a standby."""
    settle(shared)
    return shared


def check(cluster: LiveCluster, made: Load) -> None:
    """Check that nothing was refused, lost or doubled (I1, I2, I3)."""
    assert made.refused == []
    numbers = list(made.acknowledged.values())
    assert len(set(numbers)) == len(numbers)
    (key, _), number = next(one for one in made.acknowledged.items() if one[0][1] == "buy")
    assert buy(cluster, STOCK, key=key).body == {"order_no": number}
    cluster.heal()
    last = max(numbers)
    cluster.wait_for(lambda now: {one.status.last for one in now.replicas if one.status} == {last})
    verdict = audit(None, data=cluster.data, is_offline=False)
    assert (verdict.sentences, verdict.gaps) == ((), ())


def quantity(cluster: LiveCluster) -> int:
    found: int = ask(cluster, "GET", f"/stocks?stock_name={STOCK}").body["quantity"]
    return found


def test_trades_go_on_when_the_active_catalog_is_killed(own: LiveCluster) -> None:
    with load(own) as made:
        for _ in range(2):
            active, epoch = find_active(own), max(one.epoch for one in statuses(own).values())
            own.kill(active)
            successor = find_active(own, not_=active)
            assert statuses(own)[successor].epoch > epoch
            made.await_trade()
            own.start(active)
            await_standby(own, active)
    check(own, made)


def test_one_that_was_paused_decides_and_answers_nothing_when_it_wakes(own: LiveCluster) -> None:
    """I5, I7: another catalog has taken over meanwhile."""
    before, active = quantity(own), find_active(own)
    with load(own) as made:
        own.pause(active)
        find_active(own, not_=active)
        made.await_trade()
        own.resume(active)
        node = own.topology.find_catalog(own.view(active).node.id)
        with closing(CatalogClient.at(node, own.secret, 1.0)) as woken:
            assert wait_until(lambda: is_refused(woken), HEAL_TIMEOUT_S)
        made.await_trade()
    await_standby(own, active)
    assert quantity(own) == before  # whoever bought a share has sold it
    check(own, made)


def is_refused(client: CatalogClient) -> bool:
    """Tell whether a catalog says who is active, instead of an answer."""
    try:
        client.get_leadership()
    except NotActive as refusal:
        return refusal.active is not None
    except Exception:  # noqa: BLE001 - it ends, and begins anew
        return False
    raise AssertionError("it answers as if it was active")
