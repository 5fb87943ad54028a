"""What no reader may see (I7): judged at each answer, and in every cache after each event."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from bazaar.core.types import Order, Version


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A stock as a front end answers it."""

    version: Version
    is_stale: bool


@dataclass(slots=True)
class ReadChecks:
    """The versions of each stock: what is committed, acknowledged and seen."""

    committed: dict[str, Version]
    floors: dict[str, Version] = field(default_factory=dict)
    """The newest version of each stock that a client was told of or has read."""
    orders: dict[UUID, tuple[Order, Version]] = field(default_factory=dict)
    """By key: the order, and the version that its stock has from then on."""
    reads: int = 0
    stale: int = 0
    unknown_reads: int = 0

    def __post_init__(self) -> None:
        """Every client knows of what is there from the beginning."""
        self.floors.update(self.committed)

    def placed(self, order: Order, version: Version) -> Version:
        """Note an order that the catalog has answered; return the version that it made (I2)."""
        known, made = self.orders.setdefault(order.key, (order, version))
        assert known == order, f"I2: {order} and {known}"
        self.committed[order.stock_name] = max(version, self.committed[order.stock_name])
        return made

    def acknowledged(self, stock_name: str, version: Version) -> None:
        """Note that a client knows of a version."""
        self.floors[stock_name] = max(version, self.floor(stock_name))

    def floor(self, stock_name: str) -> Version:
        """Return the version below which a reader may get nothing; 0: it may be unlisted."""
        return self.floors.get(stock_name, Version(0))

    def unknown(self, stock_name: str, floor: Version) -> None:
        """Judge the answer that there is no such stock."""
        self.unknown_reads += 1
        assert not floor, f"I7: {stock_name} is listed, and a reader does not find it"

    def read(self, stock_name: str, floor: Version, answer: ReadAnswer) -> None:
        """Judge an answer; floor: of the moment at which its reader began."""
        self.reads += 1
        committed = self.committed.get(stock_name, Version(0))
        assert answer.version <= committed, f"I7: {answer} is not committed"
        if answer.is_stale:
            self.stale += 1
            return
        assert answer.version >= floor, f"I7: {stock_name} {answer}, not {floor}"
        self.acknowledged(stock_name, answer.version)

    def cached(self, holder: str, entries: Iterable[tuple[str, Version]]) -> None:
        """Judge what a holder may answer at this moment."""
        for stock_name, version in entries:
            committed = self.committed[stock_name]
            assert version >= committed, f"I7: {holder} has {stock_name} {version}, not {committed}"
