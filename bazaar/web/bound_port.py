"""A port that is taken before anybody serves there."""

import socket

BACKLOG = 1024
"""Connections that may wait to be accepted."""


def bind_port(host: str, port: int) -> socket.socket:
    """Return a socket that does not listen yet. Raises OSError: the port is taken."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound
