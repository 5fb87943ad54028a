"""Where the roles of the baseline are, and how they call each other."""

import os
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

PORTS = [int(port) for port in os.environ.get("BASELINE_PORTS", "0,0,0").split(",")]
"""Of the front end, the catalog and the order replicas 1, 2, ..."""
FOLDER = Path(os.environ.get("BASELINE_FOLDER", "."))
IS_KEEPING = os.environ.get("BASELINE_KEEPS", "0") == "1"
"""Whether connections between the roles are kept; otherwise each call opens one."""
TIMEOUT_S = 10.0
CONNECTIONS_MAX = 100
FRONT_END, CATALOG, *_ORDERS = (f"http://127.0.0.1:{port}" for port in PORTS)
ORDERS = dict(enumerate(_ORDERS, start=1))
"""Addresses of the order replicas by id."""

_session = requests.Session()
_session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS_MAX))


def get(url: str, **params: str | int) -> requests.Response:
    """Ask another role."""
    if IS_KEEPING:
        return _session.get(url, params=params, timeout=TIMEOUT_S)
    return requests.get(url, params=params, timeout=TIMEOUT_S)


def post(url: str, body: object) -> requests.Response:
    """Tell another role."""
    if IS_KEEPING:
        return _session.post(url, json=body, timeout=TIMEOUT_S)
    return requests.post(url, json=body, timeout=TIMEOUT_S)
