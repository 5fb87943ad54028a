"""The Flask baseline answers like the seed: three roles, joined without a network."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from bench.baseline import write_stocks
from bench.flask_baseline import catalog, front_end, order, places

TRADE = {"stock_name": "GameStart", "trade_type": "buy", "quantity": 5}


class Joined:
    """Calls between the roles, by their test clients."""

    def __init__(self, folder: Path) -> None:
        self.apps: dict[str, Flask] = {}
        write_stocks(folder / "stocks.csv")
        self.apps["http://catalog"] = catalog.create_app()
        self.apps["http://front"] = front_end.create_app()
        for one, url in places.ORDERS.items():
            self.apps[url] = order.create_app(one)

    def get(self, url: str, **params: str | int) -> "Answer":
        role, _, path = url.rpartition("/")
        return Answer(self.apps[role].test_client().get(f"/{path}", query_string=params))

    def post(self, url: str, body: Any) -> "Answer":
        role, _, path = url.rpartition("/")
        return Answer(self.apps[role].test_client().post(f"/{path}", json=body))


class Answer:
    """What `requests` would give."""

    def __init__(self, response: TestResponse) -> None:
        self.status_code, self.ok = response.status_code, response.status_code < 400
        self.body = response.get_json()

    def json(self) -> Any:
        return self.body


@pytest.fixture
def joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Joined:
    monkeypatch.setattr(places, "FOLDER", tmp_path)
    monkeypatch.setattr(places, "CATALOG", "http://catalog")
    monkeypatch.setattr(places, "FRONT_END", "http://front")
    monkeypatch.setattr(places, "ORDERS", {1: "http://order-1", 2: "http://order-2"})
    found = Joined(tmp_path)
    monkeypatch.setattr(places, "get", found.get)
    monkeypatch.setattr(places, "post", found.post)
    return found


def test_a_trade_is_numbered_copied_and_seen_by_the_next_query(
    joined: Joined, tmp_path: Path
) -> None:
    before = joined.get("http://front/stocks", stock_name="GameStart").json()
    assert before == {
        "stock_name": "GameStart",
        "price": 15.99,
        "trade_volume": 0,
        "quantity": 500,
    }
    assert joined.post("http://front/orders", TRADE).json() == {"order_no": 1}
    after = joined.get("http://front/stocks", stock_name="GameStart").json()
    assert (after["quantity"], after["trade_volume"]) == (495, 5)
    placed = {"data": {"order_no": 1, **TRADE}}
    assert joined.get("http://front/orders", order_no=1).json() == placed
    assert joined.get("http://order-1/query", order_no=1).json() == placed
    logs = [(tmp_path / f"orders-{one}.csv").read_text().strip() for one in (1, 2)]
    assert logs == ["1,GameStart,buy,5"] * 2
    assert "GameStart,15.99,5,495" in (tmp_path / "stocks.csv").read_text()


def test_a_stock_is_kept_until_it_is_traded(joined: Joined) -> None:
    joined.get("http://front/stocks", stock_name="BoarCo")
    removed = joined.get("http://front/rm", stock_name="BoarCo").json()
    assert removed == {"stock_name": "BoarCo", "message": "removed successfully"}
    again = joined.get("http://front/rm", stock_name="BoarCo").json()
    assert again == {"message": "this stock isn't exist in cache"}


def test_what_there_is_not_is_refused(joined: Joined) -> None:
    assert joined.get("http://front/stocks", stock_name="Nobody").status_code == 404
    assert joined.get("http://front/orders", order_no=1).status_code == 404
    refused = joined.post("http://front/orders", {**TRADE, "quantity": 501})
    assert (refused.status_code, refused.json()["order_no"]) == (404, -1)


def test_the_live_replica_with_the_largest_id_leads(joined: Joined) -> None:
    assert front_end.choose_leader() == 2
    assert joined.get("http://order-2/ping").json() == {"alive order server": 2}
