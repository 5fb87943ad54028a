"""Load a server with wrk, and read what it says."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bazaar.settings import env

FRESH = "Cache-Control: no-cache"
"""Past every cache."""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one tool says of the server; times in milliseconds."""

    rate: float
    p50: float
    p99: float


def run(
    url: str,
    connections: int,
    seconds: int,
    *,
    header: str | None = None,
    paths: Sequence[str] = (),
) -> Measured:
    """
    Load an address, or several paths of it in turn, by one thread.

    Raises SystemExit: there were errors.
    """
    load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"]
    load += ["-H", header] if header else []
    load += ["-s", str(env.ROOT / "bench" / "paths.lua"), url, "--", *paths] if paths else [url]
    told = subprocess.run(load, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"wrk met errors at {url}:\n{told}")
    return read(told)


def read(told: str) -> Measured:
    """Return what a report of wrk says. Raises SystemExit: it is none."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    quantiles = dict(re.findall(r"\s(50|99)%\s+([\d.]+[a-z]+)", told))
    if not rate or len(quantiles) < len(("50", "99")):
        raise SystemExit(f"wrk said something unexpected:\n{told}")
    return Measured(float(rate[1]), _ms(quantiles["50"]), _ms(quantiles["99"]))


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]
