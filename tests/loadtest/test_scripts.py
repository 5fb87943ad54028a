"""When operations are due, and what a replay sends."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bazaar.client.answers import OrderAnswer
from bazaar.core.types import TradeType
from bazaar.loadtest.scripts import Pace, Replay, make_script, read_replay
from bazaar.loadtest.workload import make_keys
from bazaar.proof.records import FORMAT, Done, Header, HistoryError, HistoryWriter
from tests.loadtest.plans import make_share


def test_in_a_closed_loop_an_operation_is_due_when_a_client_is_free() -> None:
    pace = Pace(make_share(duration_s=10.0, warmup_s=1.0))
    assert [pace.claim(0.0), pace.claim(3.5), pace.claim(10.9)] == [0.0, 3.5, 10.9]
    assert pace.claim(11.0) is None
    assert pace.count_unsent() == 0


@given(processes=st.integers(1, 5), rate=st.sampled_from([0.5, 7.0, 100.0, 999.0]))
def test_in_an_open_loop_all_processes_together_keep_the_rate(processes: int, rate: float) -> None:
    shares = [
        make_share(number, processes=processes, rate=rate, duration_s=3.0)
        for number in range(processes)
    ]
    due: list[float] = []
    for pace in map(Pace, shares):
        while (claimed := pace.claim(0.0)) is not None:
            due.append(claimed)
        assert pace.count_unsent() == 0
    expected = [n / rate for n in range(int(3 * rate) + 1) if n / rate < 3.0]
    assert sorted(due) == pytest.approx(expected)


def test_what_is_claimed_late_was_due_early_and_what_is_never_claimed_is_counted() -> None:
    pace = Pace(make_share(rate=10.0, duration_s=1.0))
    assert [pace.claim(0.0), pace.claim(0.95)] == [0.0, 0.1]  # busy until then: it has waited
    assert pace.claim(1.0) is None
    assert pace.count_unsent() == 8


@given(requests=st.integers(1, 50), processes=st.integers(1, 7))
def test_the_number_of_requests_is_kept_by_all_processes_together(
    requests: int, processes: int
) -> None:
    paces = [
        Pace(make_share(n, processes=processes, requests=requests, duration_s=None, warmup_s=1.0))
        for n in range(processes)
    ]
    warm = sum(pace.claim(0.5) is not None for pace in paces)
    assert warm == min(processes, requests)  # a process without a share does nothing at all
    counted = 0
    for pace in paces:
        while pace.claim(1.5) is not None:
            counted += 1
    assert counted == requests


def done(client: int, at_s: float, **facts: object) -> Done:
    fields: dict[str, object] = {
        "client": client,
        "url": 0,
        "intended_s": at_s,
        "sent_s": at_s,
        "outcome": "ok",
        **facts,
    }
    return Done(**fields)  # type: ignore[arg-type]


HISTORY = [
    done(0, 0.5, kind="trade", stock_name="BoarCo", trade_type="buy", shares=3, order_no=41),
    done(1, 0.2, kind="query", stock_name="GameStart"),
    done(0, 0.9, kind="order", order_no=41),
    done(0, 0.1, kind="query", stock_name="BoarCo"),
]


def test_a_replay_repeats_each_clients_operations_in_time_with_new_keys_and_numbers() -> None:
    keys = make_keys(1, 0)
    replay = Replay(HISTORY, keys.__next__, is_fresh=False)
    claims = []
    while (claim := replay.claim(0, 0.0)) is not None:
        due_s, operation = claim
        claims.append(
            (due_s, operation.kind, operation.stock_name, operation.shares, operation.order_no)
        )
        if operation.kind == "trade":
            replay.learn(0, OrderAnswer(7, "BoarCo", TradeType.BUY, 3), operation)
    assert claims == [
        (0.1, "query", "BoarCo", None, None),
        (0.5, "trade", "BoarCo", 3, None),
        (0.9, "order", None, None, 7),
    ]
    assert replay.count_unsent() == 1


def write(path: Path, records: list[Done]) -> Path:
    header = Header(format=FORMAT, seed=1, profile="seed", started="", urls=(), options={})
    with closing(HistoryWriter(path, header)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_processes_share_the_clients_of_a_history(tmp_path: Path) -> None:
    path = write(tmp_path / "h", HISTORY)
    replay_plan = read_replay(path)
    assert (replay_plan.clients, replay_plan.stock_names, replay_plan.end_s) == (
        2,
        ("BoarCo", "GameStart"),
        0.9,
    )
    for number, count in ((0, 3), (1, 1)):
        share = make_share(number, processes=2, replay=str(path))
        assert list(share.clients) == [number]
        assert make_script(share).count_unsent() == count


def test_a_damaged_history_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "h", HISTORY)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(HistoryError, match="line 5"):
        read_replay(path)


def test_clients_of_one_seed_differ_from_each_other() -> None:
    script = make_script(make_share(clients=2, p=0.0))
    names = {
        client: [claim[1].stock_name for _ in range(30) if (claim := script.claim(client, 0.0))]
        for client in (0, 1)
    }
    assert names[0] != names[1]
