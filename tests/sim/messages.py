"""What travels besides the effects of flows: between clients, front ends and replicas."""

from dataclasses import dataclass
from decimal import Decimal

from bazaar.core.flow import PlaceBatch, SendTrades
from bazaar.core.types import OrderNo, Position, ReplicaId, Term, Trade


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A client's trade, on its way to a front end."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class LookUp:
    """A client's question for one order."""

    order_no: OrderNo


@dataclass(frozen=True, slots=True)
class ChangePrice:
    """An operator's new price, on its way to the catalog."""

    stock_name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Replicate:
    """The catalog's request that a leader copies what was decided without it."""

    position: Position


@dataclass(frozen=True, slots=True)
class AskHead:
    """The question of a catalog that starts: where a log ends, and its digest at a position."""

    at: Position


@dataclass(frozen=True, slots=True)
class ReadLast:
    """A front end's question for the end of the ledger."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Who leads."""

    term: Term
    leader: ReplicaId


TRADING = (PlaceOrder, SendTrades, PlaceBatch)
"""The requests that carry trades."""
