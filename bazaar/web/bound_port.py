"""A port that is taken before anybody serves there."""

import socket

from bazaar.topology import format_address

BACKLOG = 1024
"""Connections that may wait to be accepted."""


def bind_port(host: str, port: int) -> socket.socket:
    """
    Return a socket that does not listen yet; port 0 is any.

    At `::` it has the addresses of IPv4, too, unless the system says otherwise. Raises OSError,
    which names the address: the port is taken.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{error.strerror}: {format_address(host, port)}") from error
    return bound
