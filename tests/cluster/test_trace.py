"""A trade is followed through real processes, from whichever front end is asked."""

import subprocess
import sys
import threading
from typing import Any
from uuid import uuid4

import pytest

from bazaar.clock import wait_until
from bazaar.protocol.clients import FrontEndClient
from bazaar.settings.env import ROOT
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import Answer, ask, ask_at, buy

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
WAIT_S = 30.0
STOCK = "GameStart"
TRIES_MAX = 5
"""To have a trade sent to a paused leader before another one is elected."""
Steps = list[dict[str, Any]]


def follow(cluster: LiveCluster, path: str, front_end: int = 0) -> dict[str, Any]:
    """Return a trace, as one of the front ends tells it."""
    answer = ask_at(cluster.topology.front_ends[front_end].address, "GET", f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    trace: dict[str, Any] = answer.body
    return trace


def of_kind(trace: dict[str, Any], kind: str, text: str = "") -> Steps:
    return [one for one in trace["steps"] if one["kind"] == kind and text in one["text"]]


def check_order(trace: dict[str, Any]) -> None:
    """No step ends before it began, and no message comes before it was sent."""
    for step in trace["steps"]:
        times = [step["at_ms"], step["received_ms"], step["answered_ms"], step["end_ms"]]
        known = [at_ms for at_ms in times if at_ms is not None]
        assert known == sorted(known), step


@pytest.mark.parametrize("front_end", [0, 1])
def test_a_trade_is_followed_to_the_last_follower(cluster: LiveCluster, front_end: int) -> None:
    """Both front ends tell of what one of them took; every copy is on a disk before the answer."""
    leader = cluster.leader()
    ask(cluster, "GET", f"/stocks?stock_name={STOCK}")  # now it is in a cache, to be forgotten
    order_no = buy(cluster, STOCK).body["order_no"]
    trace = follow(cluster, f"orders/{order_no}/trace", front_end)
    check_order(trace)
    (answer,) = of_kind(trace, "moment", "answers with status 200")
    assert (answer["process"], answer["at_ms"]) == ("frontend-1", trace["took_ms"])
    replicas = {f"order-{node.id}" for node in cluster.topology.replicas}
    durable = {one["process"]: one["at_ms"] for one in trace["steps"] if one["is_durable"]}
    assert durable.keys() == {"catalog", *replicas}
    assert all(at_ms <= answer["at_ms"] for at_ms in durable.values())
    sent = {(one["process"], one["to"]) for one in of_kind(trace, "message")}
    assert sent == {
        ("frontend-1", leader),
        (leader, "catalog"),
        ("catalog", "frontend-1"),
        *((leader, follower) for follower in replicas - {leader}),
    }
    (forgotten,) = of_kind(trace, "message", "forget")
    assert forgotten["end_ms"] <= durable["catalog"], "I7: it commits when all have forgotten"
    assert [one["reason"] for one in trace["processes"]] == [""] * 5


def test_a_trade_whose_leader_is_killed_shows_both_attempts_and_one_decision(
    cluster: LiveCluster,
) -> None:
    """I2: the first attempt ends with its leader, an election follows, and then one decision."""
    for _ in range(TRIES_MAX):
        killed, key = cluster.leader(), str(uuid4())
        order_no = buy_from_a_dying_leader(cluster, killed, key)
        trace = follow(cluster, f"orders/{order_no}/trace")
        check_order(trace)
        sent = of_kind(trace, "message", "sends the trade")
        if len(sent) > 1:
            break
        cluster.heal()  # its successor was elected before the trade was sent
    first, *_, last = sent
    assert (first["to"], first["received_ms"]) == (killed, None)
    assert first["error"]
    assert last["to"] == cluster.leader() != killed
    assert last["received_ms"] is not None
    won = of_kind(trace, "election", f"election: {last['to']} leads term")
    assert any(first["at_ms"] < one["at_ms"] < last["at_ms"] for one in won)
    (decided,) = of_kind(trace, "work", f"this one is order {order_no}")
    assert last["at_ms"] < decided["at_ms"] < last["end_ms"]
    assert len(of_kind(trace, "moment", "committed")) == 1
    reasons = {one["name"]: one["reason"] for one in trace["processes"]}
    assert "did not answer" in reasons.pop(killed)
    assert set(reasons.values()) == {""}
    check_terminal(cluster, order_no, killed)
    assert follow(cluster, f"traces/{key}", 1)["steps"]


def buy_from_a_dying_leader(cluster: LiveCluster, leader: str, key: str) -> int:
    """Return the number of an order whose trade was on its way when the leader was killed."""
    front_end = FrontEndClient.at(cluster.topology.front_ends[0], cluster.secret, WAIT_S)
    before = front_end.status().trades
    cluster.pause(leader)
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(buy(cluster, STOCK, key=key)))
    thread.start()
    assert wait_until(lambda: front_end.status().trades > before, WAIT_S)
    front_end.close()
    cluster.kill(leader)
    thread.join(WAIT_S)
    assert [one.status for one in answers] == [200]
    order_no: int = answers[0].body["order_no"]
    return order_no


def check_terminal(cluster: LiveCluster, order_no: int, killed: str) -> None:
    """See that the terminal draws the same."""
    command = [sys.executable, "manage.py", "client", "trace", str(order_no)]
    done = subprocess.run(
        [*command, "--url", cluster.base_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{killed} could not be asked" in done.stdout
    assert f"this one is order {order_no}" in done.stdout
