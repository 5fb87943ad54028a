"""A front end is ready when it knows a leader that answers, and holds a lease."""

import pytest

from bazaar.core.election import Leadership
from bazaar.core.types import Term
from frontend_app import wiring
from frontend_app.leader import LeaderWatch
from frontend_app.stocks import StockReader


def problems() -> dict[str, str]:
    return {check.name: check.problem for check in wiring.list_checks() if not check.is_ok}


@pytest.mark.usefixtures("reader", "watch")
def test_with_leader_and_lease_it_is_ready() -> None:
    assert problems() == {}
    assert wiring.status().is_ready


def test_without_a_lease_it_is_not(reader: StockReader, watch: LeaderWatch) -> None:
    reader.lease.lost()
    assert list(problems()) == ["lease"]
    assert not wiring.status().is_ready


@pytest.mark.usefixtures("reader")
def test_a_leader_has_to_be_known_and_to_answer(watch: LeaderWatch) -> None:
    watch.elector.silences = 1
    assert problems() == {"leader": "Replica 3 leads term 1, and does not answer."}
    watch.elector.leadership = Leadership(Term(0), None)
    assert problems() == {"leader": "It knows no leader."}


@pytest.mark.usefixtures("reader", "watch")
def test_a_worker_that_retires_waits_until_its_lease_is_over() -> None:
    paused: list[float] = []
    wiring.retire(paused.append)
    assert list(problems()) == ["lease"]
    assert len(paused) == 1
    assert paused[0] > 0
