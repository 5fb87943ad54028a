"""The shipped stocks keep I4 on their first day, and a bad CSV never becomes a fixture."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bazaar.core.types import STOCK_NAME_CHARS_MAX
from fixtures import make_sp500

FIXTURES = Path(make_sp500.__file__).parent
NAMES = ("asterix", "sp500")
HEADER = "symbol,name,sector,price_usd,market_cap_usd\n"


def read(name: str) -> str:
    return (FIXTURES / f"{name}.json").read_text(encoding="utf-8")


def stocks(text: str) -> list[dict[str, Any]]:
    return [row["fields"] for row in json.loads(text)]


def make(tmp_path: Path, csv: str | bytes) -> str:
    """Run the script on a CSV and return what it wrote."""
    source, output = tmp_path / "in.csv", tmp_path / "out.json"
    source.write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    make_sp500.main([str(source)], output)
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_a_stock_without_a_primary_key(name: str) -> None:
    fields = {"name", "price", "quantity", "opening", "issued", "trade_volume", "version"}
    for row in json.loads(read(name)):
        assert row.keys() == {"model", "fields"}
        assert row["model"] == "catalog_app.stock"
        assert row["fields"].keys() == fields


@pytest.mark.parametrize("name", NAMES)
def test_names_are_unique_and_fit_their_column(name: str) -> None:
    names = [stock["name"] for stock in stocks(read(name))]
    assert len(set(names)) == len(names)
    assert all(0 < len(name) <= STOCK_NAME_CHARS_MAX for name in names)


@pytest.mark.parametrize("name", NAMES)
def test_every_stock_opens_with_half_of_its_shares(name: str) -> None:
    """I4 before the first trade."""
    for stock in stocks(read(name)):
        assert stock["quantity"] == stock["opening"] > 0
        assert stock["opening"] * 2 in (stock["issued"], stock["issued"] - 1)
        assert (stock["trade_volume"], stock["version"]) == (0, 1)


@pytest.mark.parametrize("name", NAMES)
def test_prices_are_decimal_strings_that_fit_their_column(name: str) -> None:
    for stock in stocks(read(name)):
        price = Decimal(stock["price"])
        assert isinstance(stock["price"], str)
        assert 0 < price < 10**14
        assert price == price.quantize(Decimal("0.0001"))


@pytest.mark.parametrize("name", NAMES)
def test_one_stock_is_one_line(name: str) -> None:
    text = read(name)
    assert len(text.splitlines()) == len(stocks(text)) + len("[]")
    assert len(text.encode()) < 600 * 1024


def test_sp500_has_the_names_and_numbers_of_the_real_market() -> None:
    listed = {stock["name"]: stock for stock in stocks(read("sp500"))}
    assert len(listed) > 450
    assert {"AT&T", "S&P Global", "A. O. Smith", "Arthur J. Gallagher & Co."} <= listed.keys()
    assert any(stock["issued"] > 2**32 for stock in listed.values())


def test_asterix_has_its_ten_companies_with_few_shares() -> None:
    listed = {stock["name"]: stock for stock in stocks(read("asterix"))}
    assert set(listed) == {
        *("GameStart", "BoarCo", "RottenFishCo", "MenhirCo", "CaesarTech"),
        *("Reneium", "Goscinnyium", "PiloteCo", "DogmatixCo", "LutetiaTech"),
    }
    assert all(200 <= stock["issued"] <= 2000 for stock in listed.values())


def test_a_csv_gives_the_expected_rows(tmp_path: Path) -> None:
    header = "\ufeffname,price_usd,market_cap_usd\r\n"  # as a spreadsheet saves it
    rows = '"Arms, Sons & Co.",98.80,9880\r\nBé,2.0000,17179869185\r\n\r\nC.C.,2,7\r\n'
    text = make(tmp_path, header + rows)
    assert '"Bé"' in text
    listed = [(s["name"], s["price"], s["issued"], s["opening"]) for s in stocks(text)]
    assert listed == [
        ("Arms, Sons & Co.", "98.80", 100, 50),
        ("Bé", "2.0000", 8589934592, 4294967296),  # 8589934592.5: half to even, down
        ("C.C.", "2", 4, 2),  # 3.5: half to even, up
    ]


def test_the_same_csv_gives_the_same_bytes(tmp_path: Path) -> None:
    csv = HEADER + "".join(f"S{n},Stock {n},x,{n}.50,{n * 1000}\n" for n in range(1, 50))
    assert make(tmp_path, csv) == make(tmp_path, csv)


def test_the_shipped_fixture_is_what_the_script_writes_for_its_rows(tmp_path: Path) -> None:
    shipped = read("sp500")
    listings = [
        make_sp500.Listing(stock["name"], stock["price"], stock["issued"])
        for stock in stocks(shipped)
    ]
    assert make_sp500.render(listings) == shipped


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("", "line 1, column name: the header does not have it."),
        ("symbol,name,price_usd\n", "line 1, column market_cap_usd: the header does not have it."),
        (HEADER, "line 1: no stock follows the header."),
        (HEADER + "A,A Co,x,1.5\n", "line 2, column market_cap_usd: the row ends before it."),
        (HEADER + "A,A, Co,x,1.5,9\n", "line 2, column market_cap_usd: 6 cells under 5 columns"),
        (HEADER + "A,A,x,1,9\nB,,x,1,9\n", "line 3, column name: '' is empty"),
        (HEADER + "A, A,x,1,9\n", "line 2, column name: ' A' is empty, padded"),
        (HEADER + 'A,"A\nB",x,1,9\n', "line 3, column name: 'A\\nB' is empty, padded or not"),
        (HEADER + f"A,{'A' * 201},x,1,9\n", "line 2, column name: 201 characters are more than"),
        (HEADER + "A,A,x,1,9\n\nB,A,x,1,9\n", "line 4, column name: 'A' is already on line 2."),
        (HEADER + "A,A,x,,9\n", "line 2, column price_usd: '' is not a number of dollars"),
        (HEADER + "A,A,x,0.00,9\n", "line 2, column price_usd: '0.00' is not a number"),
        (HEADER + "A,A,x,-1,9\n", "line 2, column price_usd: '-1' is not a number"),
        (HEADER + "A,A,x,NaN,9\n", "line 2, column price_usd: 'NaN' is not a number"),
        (HEADER + "A,A,x,1e3,9\n", "line 2, column price_usd: '1e3' is not a number"),
        (HEADER + 'A,A,x,"1,5",9\n', "line 2, column price_usd: '1,5' is not a number"),
        (HEADER + "A,A,x,\u0661,9\n", "line 2, column price_usd: '\u0661' is not a number"),
        (HEADER + "A,A,x,1.23456,9\n", "line 2, column price_usd: '1.23456' is not a number"),
        (HEADER + f"A,A,x,1{'0' * 14},9\n", "line 2, column price_usd: '1"),
        (HEADER + "A,A,x,1,lots\n", "line 2, column market_cap_usd: 'lots' is not a number"),
        (HEADER + "A,A,x,1,1\n", "line 2, column market_cap_usd: 1 at 1 a share makes 1 shares"),
        (HEADER + f"A,A,x,1,{2**63}\n", f"line 2, column market_cap_usd: {2**63} at 1 a share"),
        (HEADER + 'A,"A,x,1,9\n', "line 2: this is not CSV"),
        (HEADER.encode() + b"A,A,x,1,9\nB,\xff,x,1,9\n", "line 3: this is not UTF-8 text."),
    ],
)
def test_a_bad_csv_is_refused_with_its_line_and_column_and_changes_nothing(
    tmp_path: Path, csv: str | bytes, message: str
) -> None:
    output = tmp_path / "out.json"
    output.write_text("the old fixture")
    with pytest.raises(SystemExit) as stopped:
        make(tmp_path, csv)
    assert f"in.csv, {message}" in str(stopped.value)
    assert output.read_text() == "the old fixture"


def test_a_missing_csv_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere\.csv cannot be read: No such file"):
        make_sp500.main([str(tmp_path / "nowhere.csv")], tmp_path / "out.json")
