"""The orders that a simulation made, kept in a file, one JSON object a line."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bazaar.client.answers import Order
from bazaar.cluster.errors import Ended
from bazaar.cluster.exits import ERRORS

FILE_NAME = "client-orders.jsonl"
"""In the data folder."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Order)


class OrderKeeper:
    """Appends orders to a file, each at once, so an interrupted simulation has kept them too."""

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        """Open the file; is_new: without what it held. Raises Ended (2)."""
        self.path, self.count = path, 0
        how = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_new else 0)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, how, 0o600)
        except OSError as error:
            raise Ended(f"--orders: {path} cannot be written ({error.strerror}).") from error

    def keep(self, order: Order) -> None:
        """Append one order. Raises Ended (1): the disk is full, for instance."""
        line = _encoder.encode(order) + b"\n"
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise Ended(f"{self.path} cannot be written ({error.strerror}).", ERRORS) from error
        if written != len(line):
            raise Ended(f"{self.path} has no room for another order.", ERRORS)
        self.count += 1

    def close(self) -> None:
        """End the file."""
        os.close(self._descriptor)


def read_orders(path: Path) -> Iterator[Order]:
    """Yield the kept orders. Raises Ended (2), which names file and line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _read(path, number, line)
    except FileNotFoundError as error:
        raise Ended(f"There is no {path}; `client simulate` keeps its orders there.") from error
    except OSError as error:
        raise Ended(f"--orders: {path} cannot be read ({error.strerror}).") from error


def _read(path: Path, number: int, line: bytes) -> Order:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Ended(f"--orders: {path}, line {number} is no order: {error}.") from error
