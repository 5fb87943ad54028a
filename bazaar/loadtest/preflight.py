"""Before the load: the cluster's stocks, and their quantities."""

from collections.abc import Sequence

from bazaar.client.answers import ClientError, Refused, StockAnswer
from bazaar.client.client import Client
from bazaar.client.exchange import Timeouts
from bazaar.cluster import exits
from bazaar.cluster.arguments import REACH_HELP
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.profiles import FIXTURES, Weighted, read_profile
from bazaar.proof.records import Opening

LIMITS = Timeouts(deadline_s=5.0, silence_s=2.0)
"""How long a cluster may take to show that it is there."""


def open_client(urls: tuple[str, ...], token: str | None = None) -> Client:
    """Return a client for what comes before the load, in v1 whatever the load is in."""
    return Client(urls, LIMITS, token)


def find_profile(client: Client, options: str | None) -> str:
    """
    Return the given profile, or the one whose stocks the cluster has.

    Raises CommandFailed: there is no such profile, or no cluster (4), or one with other stocks (2).
    """
    if options is not None and options not in FIXTURES:
        raise CommandFailed(f"--profile must be {' or '.join(FIXTURES)}, not {options!r}.")
    for name in (options,) if options else tuple(FIXTURES):
        first = read_profile(name)[0].stock_name
        if _ask(client, first) is not None:
            return name
    meant = f"the stocks of the profile {options}" if options else "the stocks of any profile"
    raise CommandFailed(f"{client.urls[0]} does not have {meant}.")


def read_openings(client: Client, stocks: Sequence[Weighted]) -> tuple[Opening, ...]:
    """Return the state of each stock, past all caches. Raises CommandFailed."""
    found = []
    for one in stocks:
        stock = _ask(client, one.stock_name)
        if stock is None:
            raise CommandFailed(f"{client.urls[0]} does not have the stock {one.stock_name!r}.")
        numbers = stock.version, stock.quantity, stock.trade_volume or 0
        found.append(Opening(stock.name, *numbers, str(stock.price)))
    return tuple(found)


def _ask(client: Client, stock_name: str) -> StockAnswer | None:
    """
    Return a stock, None when there is none of that name.

    Raises CommandFailed.
    """
    try:
        return client.query(stock_name, is_fresh=True)
    except Refused as error:
        if error.failure == "unknown_stock":
            return None
        raise CommandFailed(f"{client.urls[0]}: {error.message}", exits.UNREACHABLE) from error
    except ClientError as error:
        more = f" {REACH_HELP}" if error.status is None else ""
        raise CommandFailed(error.message + more, exits.UNREACHABLE) from error
