"""Streams of bytes, cut into pieces."""

from collections.abc import Sequence
from itertools import pairwise

PIECE_BYTES = 4096


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a stream at some places."""
    inside = sorted({place % len(stream) for place in places} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(inside)]


def split(stream: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in stream]
