"""The Flask baseline as a contestant: five processes on free ports."""

import contextlib
import csv
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bazaar.cluster.ports import free_ports
from bazaar.settings import env
from bench import processes
from bench.flask_baseline.catalog import COLUMNS

REPLICAS = 3
THREADS = 64
CONNECT_TIMEOUT_S = 0.2
SERVE = "bench.flask_baseline.serve"


def as_written(role: str, port: int) -> list[str]:
    """Return the command of a role on Flask's own threaded server."""
    del port
    return [SERVE, role]


def at_its_best(role: str, port: int) -> list[str]:
    """Return the command of a role under gunicorn, in one process."""
    return [
        *("gunicorn", "--worker-class", "gthread", "--no-control-socket", "--workers", "1"),
        *("--bind", f"127.0.0.1:{port}", "--threads", str(THREADS), "--keep-alive", "75"),
        *("--log-level", "warning", f"{SERVE}:create_app({role!r})"),
    ]


@contextlib.contextmanager
def baseline(
    folder: Path, command: Callable[[str, int], list[str]], *, is_keeping: bool
) -> Iterator[str]:
    """
    Run the baseline with the ten stocks; give its address.

    is_keeping: its roles keep connections to each other.
    """
    folder.mkdir()
    write_stocks(folder / "stocks.csv")
    ports = free_ports(2 + REPLICAS)
    roles = ("catalog", *(f"order-{one}" for one in range(1, REPLICAS + 1)))
    environ = {
        "BASELINE_PORTS": ",".join(map(str, ports)),
        "BASELINE_FOLDER": str(folder),
        "BASELINE_KEEPS": str(int(is_keeping)),
    }
    with contextlib.ExitStack() as stack:
        for role, port in (*zip(roles, ports[1:], strict=True), ("front", ports[0])):
            process = processes.start(command(role, port), environ, lambda port=port: is_open(port))  # type: ignore[misc]
            stack.callback(processes.end, process)
        yield f"http://127.0.0.1:{ports[0]}"


def is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def write_stocks(path: Path) -> None:
    """Write the ten stocks of the shipped set as the baseline reads them."""
    rows = msgspec.json.decode((env.ROOT / "fixtures" / "asterix.json").read_bytes())
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_columns(row["fields"]) for row in rows)


def _columns(fields: dict[str, object]) -> dict[str, object]:
    return {"stock_name": fields["name"], **{name: fields[name] for name in COLUMNS[1:]}}
