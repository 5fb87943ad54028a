"""A shipped set is listed once; a catalog that has stocks is left as it is."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from catalog_app import selectors, services, wiring
from catalog_app.models import Stock

pytestmark = pytest.mark.django_db


def load(name: str, **options: bool) -> str:
    """Run the command and return what it says."""
    output = StringIO()
    call_command("load_stocks", name, stdout=output, **options)
    return output.getvalue()


def test_a_set_is_listed_in_an_empty_catalog() -> None:
    assert load("asterix") == "10 stocks listed from asterix.\n"
    stock = selectors.get_stock(stock_name="MenhirCo")
    assert stock.quantity == stock.opening > 0
    assert (stock.trade_volume, stock.version) == (0, 1)
    assert selectors.list_in_sync() == ()


def test_the_real_market_is_listed_with_its_large_numbers() -> None:
    assert services.load_stocks(name="sp500") > 450
    assert Stock.objects.filter(issued__gt=2**32).exists()
    assert selectors.count_stocks() == Stock.objects.count()


def test_all_replicas_have_to_answer_a_catalog_that_lists_where_some_may_have_more() -> None:
    """I3: its server has lost its database, say, and it is filled again."""
    load("asterix", ask_all=True)
    assert selectors.list_in_sync() == tuple(wiring.replicas())


def test_a_second_set_changes_nothing() -> None:
    load("asterix")
    Stock.objects.filter(name="MenhirCo").update(version=7)
    assert load("sp500") == "The catalog has 10 stocks already.\n"
    assert services.load_stocks(name="asterix") == 0
    assert selectors.get_stock(stock_name="MenhirCo").version == 7


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'nasdaq'"):
        load("nasdaq")
    assert not Stock.objects.exists()
