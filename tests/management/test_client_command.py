"""`manage.py client`: every mode, its words, its JSON, its exit code."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bazaar import topology
from bazaar.cluster import exits
from bazaar.cluster.ports import free_ports, free_topology
from bazaar.loadtest.profiles import read_names
from bazaar.management.client.order_file import MATCH
from bazaar.settings.env import ROOT
from tests.cluster_unit.front_end import FakeFrontEnd

NAMES = read_names("seed")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def front_end() -> Iterator[FakeFrontEnd]:
    fake = FakeFrontEnd(dict.fromkeys(NAMES, 1000))
    yield fake
    fake.close()


@pytest.fixture
def run(front_end: FakeFrontEnd, tmp_path: Path) -> Run:
    """Run the command against the fake; return exit code and output."""

    def run_one(*arguments: str) -> tuple[int, str]:
        output = io.StringIO()
        shared = ("--url", front_end.url, "--data", str(tmp_path / "data"))
        try:
            call_command("client", *arguments, *shared, stdout=output)
        except SystemExit as end:
            return int(end.code or 0), output.getvalue()
        except CommandError as error:
            return error.returncode, output.getvalue() + str(error)
        return exits.OK, output.getvalue()

    return run_one


def kept_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "client-orders.jsonl"


def test_a_trade_is_sent_with_the_token_of_the_environment(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("bazaar_x\n")
    run("trade", "BoarCo", "buy", "1")
    monkeypatch.setenv("BAZAAR_TOKEN_FILE", str(path))
    status, said = run("trade", "BoarCo", "buy", "1")
    assert (status, front_end.authorizations) == (exits.OK, [None, "Bearer bazaar_x"])
    assert "bazaar_x" not in said
    path.write_text("")
    assert run("trade", "BoarCo", "buy", "1")[0] == exits.USAGE


def test_a_token_of_the_option_outweighs_the_environment(
    run: Run, front_end: FakeFrontEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAZAAR_TOKEN", "bazaar_x")
    status, said = run("trade", "BoarCo", "buy", "1", "--token", "bazaar_y", "-o", "json")
    assert (status, front_end.authorizations) == (exits.OK, ["Bearer bazaar_y"])
    assert "bazaar_y" not in said
    status, said = run("trade", "BoarCo", "buy", "1", "--token", "no token")
    assert (status, "--token has no token" in said) == (exits.USAGE, True)
    assert "no token in it" in said
    assert len(front_end.authorizations) == 1


def test_v1_is_spoken_unless_another_dialect_is_wanted(run: Run, front_end: FakeFrontEnd) -> None:
    assert run("trade", "BoarCo", "buy", "1")[0] == exits.OK
    assert front_end.dialects == {"v1"}
    assert run("--dialect", "seed", "order", "1")[1].startswith("order 1: buy 1 BoarCo  [")
    said = run("query", "BoarCo", "--dialect", "course")[1]
    assert said.startswith("BoarCo: 1000 shares at 1.5, version 3 (hit)  [")
    assert front_end.dialects == {"v1", "seed", "course"}
    assert run("query", "BoarCo", "--dialect", "latin")[0] == exits.USAGE


def test_a_refusal_names_the_page_that_explains_it(run: Run, front_end: FakeFrontEnd) -> None:
    front_end.refused = {"BoarCo": "overstock"}
    page = f"{front_end.url}/problems/overstock"
    status, said = run("trade", "BoarCo", "sell", "1")
    assert status == exits.ERRORS
    assert f"sell 1 BoarCo: No. (409) See {page}  [" in said
    told = json.loads(run("trade", "BoarCo", "sell", "1", "-o", "json")[1])
    assert told["answers"][0]["error"]["problem"] == page


def test_orders_that_were_kept_without_a_key_are_checked_too(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path
) -> None:
    """By an earlier version, or in another dialect."""
    shared = ("simulate", "--p", "1", "--requests", "5", "--seed", "1")
    assert run(*shared, "--dialect", "seed")[0] == exits.OK
    assert b"idempotency_key" not in kept_file(tmp_path).read_bytes()
    assert run("check")[0] == exits.OK
    assert run(*shared)[0] == exits.OK
    assert kept_file(tmp_path).read_bytes().count(b"idempotency_key") == 5
    assert run("check")[0] == run("check", "--dialect", "course")[0] == exits.OK
    last = len(front_end.orders)
    front_end.keys = {f"{number:032x}": number for number in range(1, last + 1)}
    status, said = run("check")
    assert status == exits.INCONSISTENT
    assert f"order {last} differs" in said


def test_query_shows_the_stock_and_the_time(run: Run) -> None:
    status, said = run("query", "BoarCo")
    assert status == exits.OK
    assert said.startswith("BoarCo: 1000 shares at 1.5, volume 0, version 3 (hit)  [")
    assert said.endswith(" ms]\n")


def test_many_times_end_in_a_line_of_running_times(run: Run) -> None:
    _, said = run("query", "BoarCo", "-n", "5")
    assert len(said.splitlines()) == 6
    assert said.splitlines()[-1].startswith("query: 5 times, 0 refused, 0 failed; ms: min ")


def test_trade_and_order_show_the_same_order(run: Run) -> None:
    assert run("trade", "BoarCo", "sell", "4")[1].startswith("order 1: sell 4 BoarCo  [")
    assert run("order", "1")[1].startswith("order 1: sell 4 BoarCo  [")


def test_lists_are_read_page_by_page_up_to_a_limit(run: Run, front_end: FakeFrontEnd) -> None:
    front_end.stocks = {f"Stock {number:03}": 1000 for number in range(250)}
    status, said = run("stocks", "--limit", "230")
    assert (status, len(front_end.pages)) == (exits.OK, 2)
    lines = said.splitlines()
    assert lines[229].startswith("Stock 229: 1000 shares at 1.5, volume 0, version 3 (")
    assert lines[230].startswith("stocks: 230 listed, and there may be more (--limit)  [")
    assert run("stocks", "K 24", "-q")[1].startswith("stocks: 10 listed  [")
    assert run("stocks", "nobody")[1].startswith("stocks: 0 listed  [")
    told = json.loads(run("stocks", "-o", "json", "--limit", "1")[1])
    assert [one["stock"]["name"] for one in told["answers"]] == ["Stock 000"]


def test_orders_are_listed_the_newest_first(run: Run, front_end: FakeFrontEnd) -> None:
    for stock, side in (("BoarCo", "buy"), ("Reneium", "buy"), ("BoarCo", "sell")):
        run("trade", stock, side, "2")
    lines = run("orders", "--dialect", "seed")[1].splitlines()
    assert lines[:3] == [
        "order 3: sell 2 BoarCo",
        "order 2: buy 2 Reneium",
        "order 1: buy 2 BoarCo",
    ]
    assert run("orders", "--stock", "BoarCo", "--type", "buy")[1].startswith(
        "order 1: buy 2 BoarCo\n"
    )
    assert set(front_end.pages) == {"/api/v1/orders"}


def test_a_trade_without_its_token_is_told_where_to_put_one(
    run: Run, front_end: FakeFrontEnd
) -> None:
    front_end.refused = {"BoarCo": "token_required"}
    for dialect in ("v1", "seed", "course"):
        said = run("trade", "BoarCo", "buy", "1", "--dialect", dialect)[1]
        assert "Give this command one in BAZAAR_TOKEN or BAZAAR_TOKEN_FILE, or by --token." in said


def test_what_may_pass_says_when_to_try_again(run: Run, front_end: FakeFrontEnd) -> None:
    run("trade", "BoarCo", "buy", "1")
    front_end.broken = {1}
    for dialect in ("v1", "seed", "course"):
        said = run("order", "1", "--deadline", "0.3", "--dialect", dialect)[1]
        assert said.startswith("order 1: Nobody knows. (503) Try again in 1 s. See http://")


def test_a_repeated_key_is_one_trade_and_times_are_many(run: Run, front_end: FakeFrontEnd) -> None:
    key = "6c3b9d52-2b7e-4f61-8a3e-0f6f0f5f1a01"
    assert {run("trade", "BoarCo", "buy", "1", "--key", key)[0] for _ in range(2)} == {exits.OK}
    assert list(front_end.keys) == [key]
    run("trade", "BoarCo", "buy", "1", "-n", "3")
    assert len(front_end.keys) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("query", "Nobody"), "Nobody: Stock not found (404)"),
        (("order", "9"), "order 9: order not found (404)"),
    ],
)
def test_a_refusal_is_reported_and_is_status_1(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    status, said = run(*arguments)
    assert (status, said.startswith(words)) == (exits.ERRORS, True)


def test_json_shows_answers_and_errors(run: Run) -> None:
    _, said = run("query", "BoarCo", "-n", "2", "-o", "json")
    told = json.loads(said)
    assert (told["mode"], told["times"]["query"]["count"]) == ("query", 2)
    assert told["answers"][0]["stock"]["quantity"] == 1000
    assert told["answers"][0]["took_ms"] > 0
    status, said = run("order", "9", "-o", "json")
    error = json.loads(said)["answers"][0]["error"]
    assert (status, error["kind"], error["failure"]) == (exits.ERRORS, "refused", "unknown_order")


def test_simulate_keeps_its_orders_and_check_finds_them(run: Run, tmp_path: Path) -> None:
    status, said = run("simulate", "--requests", "40", "--p", "0.5", "--seed", "1")
    kept = kept_file(tmp_path).read_text().splitlines()
    assert status == exits.OK
    assert f"seed 1: {len(kept)} orders kept" in said
    assert 5 < len(kept) < 35
    status, said = run("check")
    assert status == exits.OK
    assert [line.partition("  [")[0] for line in said.splitlines()[: len(kept)]] == [
        f"order {number}: {MATCH}" for number in range(1, len(kept) + 1)
    ]
    assert f"{len(kept)} orders checked: {len(kept)} match, 0 differ" in said


def test_a_seed_draws_the_same_trades_and_a_second_run_is_stored_too(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path
) -> None:
    for _ in range(2):
        run("simulate", "--requests", "30", "--seed", "7", "-q")
    half = len(front_end.orders) // 2
    assert front_end.orders[:half] == front_end.orders[half:]
    assert len(kept_file(tmp_path).read_text().splitlines()) == 2 * half
    run("simulate", "--requests", "30", "--seed", "7", "-q", "--new")
    assert len(kept_file(tmp_path).read_text().splitlines()) == half


def test_simulate_trades_with_probability_p(run: Run, front_end: FakeFrontEnd) -> None:
    run("simulate", "--requests", "20", "--p", "0")
    assert front_end.orders == []
    run("simulate", "--requests", "20", "--p", "1", "--seed", "1")
    assert len(front_end.orders) == 20
    assert {1 <= trade["quantity"] <= 10 for trade in front_end.orders} == {True}
    assert {trade["trade_type"] for trade in front_end.orders} == {"buy", "sell"}


def test_simulate_does_not_trade_what_is_sold_out(run: Run, front_end: FakeFrontEnd) -> None:
    front_end.stocks = dict.fromkeys(NAMES, 0)
    assert run("simulate", "--requests", "20", "--p", "1")[0] == exits.OK
    assert front_end.orders == []


@pytest.mark.parametrize(
    ("failure", "status"), [("insufficient_quantity", exits.OK), ("unknown_stock", exits.ERRORS)]
)
def test_a_want_of_shares_is_no_error_of_a_simulation(
    run: Run, front_end: FakeFrontEnd, failure: str, status: int
) -> None:
    front_end.refused = dict.fromkeys(NAMES, failure)
    assert run("simulate", "--requests", "5", "--p", "1")[0] == status


@pytest.mark.parametrize("change", [{"quantity": 99}, {"stock_name": "Another"}, None])
def test_check_says_which_order_differs(
    run: Run, front_end: FakeFrontEnd, tmp_path: Path, change: dict[str, Any] | None
) -> None:
    """The proof can fail: an order altered, or gone."""
    run("simulate", "--requests", "5", "--p", "1", "-q", "--stocks", "asterix")
    if change is None:
        front_end.orders.pop()
    else:
        front_end.orders[4] = {**front_end.orders[4], **change}
    status, said = run("check", "-q")
    assert status == exits.INCONSISTENT
    assert "order 5 differs: here " in said
    assert "5 orders checked: 4 match, 1 differ, 0 could not" in said
    told = json.loads(run("check", "-o", "json")[1])
    assert (told["differing"], told["differences"][0]["kept"]["order_no"]) == (1, 5)


def test_check_does_not_call_an_order_lost_that_no_replica_could_answer(
    run: Run, front_end: FakeFrontEnd
) -> None:
    run("simulate", "--requests", "3", "--p", "1", "-q")
    front_end.broken = {2}
    status, said = run("check", "--deadline", "0.3")
    assert status == exits.ERRORS
    assert "3 orders checked: 2 match, 0 differ, 1 could not be asked for" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("query",), "the following arguments are required: STOCK"),
        (("bogus",), "invalid choice: 'bogus'"),
        (("query", "x", "-n", "0"), "-n must be a whole number from 1 to 10000, not '0'."),
        (("query", "x", "-n", "²"), "-n must be a whole number"),
        (("query", "x", "-o", "xml"), "--output must be text or json, not 'xml'."),
        (("query", "x", "--deadline", "nan"), "--deadline must be a number from 0.1 to 3600"),
        (("query", "x", "--url", "ftp://a"), "--url: 'ftp://a' is not the address"),
        (("query", "\udcff"), "STOCK must be text in UTF-8"),
        (("stocks", "--limit", "0"), "--limit must be a whole number from 1 to 10000"),
        (("stocks", "\udcff"), "TEXT must be text in UTF-8"),
        (("orders", "--type", "by"), "A trade is buy or sell, not 'by'."),
        (("order", "0"), "NO must be a whole number"),
        (("order", "1e3"), "NO must be a whole number"),
        (("trade", "x", "by", "1"), "A trade is buy or sell, not 'by'."),
        (("trade", "x", "buy", "0"), "QTY must be a whole number from 1 to 1000000000"),
        (("trade", "x", "buy", "1", "--key", "k"), "--key must be a UUID, not 'k'."),
        (("trade", "x", "buy", "1", "-n", "2", "--key", "0" * 32), "--key names one trade"),
        (("simulate", "--p", "1.1"), "--p must be a number from 0 to 1, not '1.1'."),
        (("simulate", "--requests", "-1"), "--requests"),
        (("simulate", "--seed", "a"), "--seed must be a whole number"),
        (("simulate", "--stocks", "dax"), "--stocks must be asterix or sp500, not 'dax'."),
        (("simulate", "--orders", "/dev/null/x"), "--orders: /dev/null/x cannot be written"),
        (("check",), "`client simulate` keeps its orders there."),
        (("check", "--orders", "/"), "--orders: / cannot be read (Is a directory)."),
        (("check", "--orders", str(ROOT / "README.md")), "line 1 is no order"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_status_2(
    run: Run, front_end: FakeFrontEnd, arguments: tuple[str, ...], sentence: str
) -> None:
    status, said = run(*arguments)
    assert (status, sentence in said, "\n" in said) == (exits.USAGE, True, False), said
    assert front_end.orders == []


@pytest.mark.parametrize("mode", [("query", "x"), ("trade", "x", "buy", "1"), ("simulate",)])
def test_nobody_there_is_one_sentence_and_status_4(tmp_path: Path, mode: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(
        CommandError, match=r"Connection refused\. `.* cluster up` starts"
    ) as caught:
        call_command("client", *mode, "--url", url, "--data", str(tmp_path), "--deadline", "0.3")
    assert caught.value.returncode == exits.UNREACHABLE


def test_without_a_url_the_cluster_of_the_data_folder_is_asked(tmp_path: Path) -> None:
    described = free_topology(1, front_ends=2)
    (tmp_path / "cluster.toml").write_text(topology.dump(described))
    with pytest.raises(CommandError) as caught:
        call_command("client", "query", "x", "--data", str(tmp_path), "--deadline", "0.3")
    assert any(
        f":{node.port} cannot be reached" in str(caught.value) for node in described.front_ends
    )


def test_a_full_disk_is_one_sentence(run: Run) -> None:
    status, said = run("simulate", "--requests", "9", "--p", "1", "--orders", "/dev/full")
    assert status == exits.ERRORS
    assert said.endswith("/dev/full cannot be written (No space left on device).")


def test_bare_it_asks_for_the_modes_and_goes_on_after_mistakes(front_end: FakeFrontEnd) -> None:
    lines = ["query BoarCo", 'query "', "bogus", "", "trade BoarCo buy 0", "query Nobody", "help"]
    lines += ["trade BoarCo buy 2", "order 1 -h", "quit", "query Reneium"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "client", "--url", front_end.url],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (exits.OK, "")
    for words in (
        "simulate [--requests N]",
        "BoarCo: 1000 shares",
        "No closing quotation.",
        "invalid choice: 'bogus'",
        "QTY must be a whole number",
        "Nobody: Stock not found",
        "order 1: buy 2 BoarCo",
        "usage: client order",
    ):
        assert words in done.stdout
    assert "Reneium" not in done.stdout


def test_a_mistake_on_the_command_line_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "client", "trade", "BoarCo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (exits.USAGE, "", 1)
