"""One role of the baseline on Flask's own server."""

import logging
import sys

from flask import Flask

from bench.flask_baseline import catalog, front_end, order, places


def create_app(role: str) -> Flask:
    """Return the application of front, catalog, or order-1, order-2, ..."""
    if role == "front":
        return front_end.create_app()
    if role == "catalog":
        return catalog.create_app()
    return order.create_app(int(role.removeprefix("order-")))


def port_of(role: str) -> int:
    """Return where a role listens."""
    roles = ("front", "catalog", *(f"order-{one}" for one in places.ORDERS))
    return places.PORTS[roles.index(role)]


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request costs time
    create_app(sys.argv[1]).run(port=port_of(sys.argv[1]), threaded=True)
