"""Which stocks a simulation may look up."""

import json
from pathlib import Path

from bazaar.client.answers import ClientError, Refused
from bazaar.client.client import Client
from bazaar.cluster import exits
from bazaar.cluster.databases import STOCKS
from bazaar.cluster.errors import Ended
from bazaar.management.client.asker import check_reached
from bazaar.management.client.output import explain
from bazaar.settings import env

FIXTURES = env.ROOT / "fixtures"


def read_names(listing: str) -> tuple[str, ...]:
    """Return the names of the stocks that are shipped under a name, such as asterix."""
    path: Path = FIXTURES / f"{listing}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    return tuple(row["fields"]["name"] for row in rows)


def find_names(client: Client, wished: str | None) -> tuple[str, ...]:
    """
    Return the stocks wished for, or those of the shipped listing that the catalog has.

    Raises Ended.
    """
    if wished is not None:
        if wished not in STOCKS:
            raise Ended(f"--stocks must be {' or '.join(STOCKS)}, not {wished!r}.")
        return read_names(wished)
    for listing in STOCKS:
        names = read_names(listing)
        try:
            client.query(names[0])
        except Refused:
            continue
        except ClientError as error:
            check_reached(error)
            raise Ended(explain(error), exits.ERRORS) from error
        return names
    raise Ended(f"The catalog has none of the stocks of {' and '.join(STOCKS)}.")
