"""
Profiles: the stocks a load asks for, and how often each.

`seed` is the ten stocks of the seed, each as likely as the others. `sp500` is the S&P 500, where
people ask for a company in proportion to its market value: a few are asked for all the time, most
hardly ever. `zipf` replaces either: the stock of rank r is asked for in proportion to 1 / r ** S.
"""

from decimal import Decimal
from typing import Annotated

import msgspec

from bazaar.cluster.exits import CommandFailed
from bazaar.settings import env

FIXTURES = {"seed": "asterix.json", "sp500": "sp500.json"}
"""The file of each profile, in `fixtures`."""
ZIPF_MAX = 10.0


class Weighted(msgspec.Struct, frozen=True, array_like=True):
    """A stock, and how often it is asked for relative to the others."""

    stock_name: str
    weight: float


class _Fields(msgspec.Struct):
    name: str
    price: Decimal
    issued: Annotated[int, msgspec.Meta(ge=0)]


class _Row(msgspec.Struct):
    fields: _Fields


def read_profile(
    name: str, *, most: int | None = None, zipf: float | None = None
) -> tuple[Weighted, ...]:
    """
    Return the stocks of a profile, the most popular first.

    most: only so many of them. zipf: the exponent that replaces the profile's own popularity.
    Raises CommandFailed.
    """
    ranked = _weigh(name, _read(name))
    if most is not None and most > len(ranked):
        raise CommandFailed(f"--stocks {most}: the profile {name} has {len(ranked)} stocks.")
    chosen = ranked[:most]
    if zipf is None:
        return tuple(chosen)
    return tuple(Weighted(one.stock_name, rank**-zipf) for rank, one in enumerate(chosen, start=1))


def read_names(name: str) -> tuple[str, ...]:
    """Return the names of a profile's stocks as they are listed. Raises CommandFailed."""
    return tuple(one.name for one in _read(name))


def _read(name: str) -> list[_Fields]:
    path = env.ROOT / "fixtures" / FIXTURES[name]
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[_Row])
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}.") from error
    return [row.fields for row in rows]


def _weigh(name: str, stocks: list[_Fields]) -> list[Weighted]:
    if name == "seed":
        return [Weighted(one.name, 1.0) for one in stocks]
    found = [Weighted(one.name, float(one.price * one.issued)) for one in stocks]
    return sorted(found, key=lambda one: (-one.weight, one.stock_name))
