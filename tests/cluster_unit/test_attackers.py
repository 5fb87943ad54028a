"""Attackers hold what they are to hold and send no faster than they may; tables show the ratio."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cluster.attackers import NUMBER, Flood, Hold, attacking
from tests.cluster.attacks import Comparison, list_scenarios
from tests.support.servers import ScriptedServer, answer, end
from tests.support.waits import wait_until

CONNECTIONS = 30


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer([])
    yield server
    server.close()


def test_a_holder_opens_all_and_opens_again_what_the_server_ends(server: ScriptedServer) -> None:
    server.script += [end] * 1000
    attack = Hold(CONNECTIONS, b"GET / HTTP/1.1\r\n", b"\r\n", period_s=0.1)
    with closing(attack.begin(server.address)) as holder:
        while not holder.is_ready:
            holder.tick()

        def is_opened_again() -> bool:
            holder.tick()
            return holder.answers["end"] >= 3 and server.connections > CONNECTIONS + 1

        wait_until(is_opened_again)


def test_a_flooder_sends_other_requests_in_turn_at_its_rate(server: ScriptedServer) -> None:
    server.script += [answer()] * 1000
    requests = (b"GET /a%s HTTP/1.1\r\n\r\n" % NUMBER, b"GET /b HTTP/1.1\r\n\r\n")
    with closing(Flood(requests, rate=200.0, connections=4).begin(server.address)) as flooder:

        def has_sent() -> bool:
            flooder.tick()
            return flooder.answers["200"] >= 6

        wait_until(has_sent)
    assert server.connections <= 4
    assert {one[:6] for one in server.requests} == {b"GET /a", b"GET /b"}
    numbered = [one for one in server.requests if one.startswith(b"GET /a")]
    assert len(set(numbered)) == len(numbered)


def test_an_attack_runs_in_a_process_of_its_own_and_tells_what_it_got(
    server: ScriptedServer,
) -> None:
    server.script += [answer()] * 1000
    with attacking(Flood((b"GET / HTTP/1.1\r\n\r\n",), rate=100.0), server.address) as report:
        wait_until(lambda: len(server.requests) >= 3)
    assert report.answers["200"] >= 1


def test_the_table_shows_quantiles_and_their_ratio() -> None:
    scenario = list_scenarios(b"")[0]
    found = Comparison(scenario, {"query": [0.001] * 100}, {"query": [0.001] * 90 + [0.003] * 10})
    assert found.row(["query", "trade"]) == [
        *(scenario.name, "0%", ""),
        "1.00, 1.00 -> 1.00, 3.00 (3.0x)",
        "",
    ]
