"""
How much of an attack does a normal client feel? `python -m tests.cluster.attacks`.

It brings up a cluster of its own. For each attack it measures a normal client, in turn while all is
quiet and while the attack goes on, and prints one Markdown table. The attacker runs in a process of
its own; what it takes of a processor is in the table, because both share the machine. `--only WORD`
runs the attacks with that word in their names.
"""

import argparse
import gc
import itertools
import json
import re
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bazaar.clock import monotonic_s, wait
from tests.cluster.attackers import NUMBER, Attack, Flood, Hold, attacking
from tests.cluster.conftest import LiveCluster
from tests.cluster.hostile import table, warm_up

SECONDS, ROUNDS = 4.0, 2
PAUSE_S = 0.002
"""Between two requests of the normal client."""
ANSWER_S = 30.0
STOCK, TRADED = "MenhirCo", "BoarCo"
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
UNSIGNED = b"Authorization: Bazaar-HMAC-SHA256 1 x y z\r\n"


def _get(target: bytes, host: bytes = HOST) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + host + b"\r\n"


def _post(target: bytes, body: bytes, headers: bytes = JSON) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST " + target + b" HTTP/1.1\r\n" + HOST + headers + length + b"\r\n" + body


def _trades(stock: str) -> tuple[bytes, bytes]:
    """Return a purchase, and the sale that undoes it."""
    body = {"stock_name": stock, "trade_type": "buy", "quantity": 1}
    buy, sell = json.dumps(body), json.dumps({**body, "trade_type": "sell"})
    return _post(b"/orders", buy.encode()), _post(b"/orders", sell.encode())


WHOLE = _get(b"/leader")
SLOW_HEAD = b"GET /stocks?stock_name=MenhirCo HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
SLOW_BODY = JSON + UNSIGNED + b"Content-Length: 1000\r\n\r\n{"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attack: on which port of which process, and what stands still meanwhile."""

    name: str
    attack: Attack
    process: str = "frontend-1"
    is_control: bool = False
    paused: str = ""
    """A process that is paused, or `leader`."""


def list_scenarios(login: bytes) -> list[Scenario]:
    """Return every attack. login: a request that tries to sign in at the dashboard."""
    return [*_list_held(), *_list_paused(), *_list_floods(login)]


def _list_held() -> list[Scenario]:
    """Return the attacks that hold connections."""
    slow_bodies = (
        ("frontend-1", False, b"/orders"),
        ("leader", False, b"/trades"),
        ("leader", True, b"/sync"),
        ("catalog", False, b"/batch"),
        ("catalog", True, b"/price"),
    )
    return [
        Scenario("2,000 slow heads", Hold(2000, SLOW_HEAD, b"y")),
        *(
            Scenario(
                f"300 slow bodies, {process} {'control' if is_control else 'served'}",
                Hold(300, b"POST " + path + b" HTTP/1.1\r\n" + HOST + SLOW_BODY, b"1"),
                process,
                is_control,
            )
            for process, is_control, path in slow_bodies
        ),
        Scenario("5,000 silent connections", Hold(5000)),
        Scenario("5,000 dripping connections", Hold(5000, SLOW_HEAD, b"y", period_s=5.0)),
        Scenario(
            "half-closed connections, up to 400/s",
            Hold(2000, WHOLE, is_half_closed=True, opened_a_tick=8),
        ),
    ]


def _list_paused() -> list[Scenario]:
    """Return the crowds that trade while somebody cannot answer."""
    crowd = Flood(_trades(TRADED), 400.0, 200)
    return [
        Scenario(f"200 trading, {process} paused", crowd, paused=process)
        for process in ("catalog", "leader")
    ]


def _list_floods(login: bytes) -> list[Scenario]:
    """Return the attacks that send whole requests."""
    long_query = _get(b"/stocks?stock_name=" + b"x" * 60_000)
    foreign = _get(b"/leader", b"Host: example.org\r\n")
    return [
        Scenario("200/s queries of 60 kB", Flood((long_query,), 200.0)),
        Scenario("400/s unknown names", _flood(b"/stocks?stock_name=NoSuch" + NUMBER)),
        Scenario("400/s orders that do not exist", _flood(b"/orders?order_no=" + NUMBER)),
        Scenario("20/s sign-ins", Flood((login,), 20.0), "dashboard"),
        Scenario("400/s for a foreign Host", Flood((foreign,), 400.0)),
        Scenario(
            "200/s unsigned bodies of 60 kB, catalog control",
            Flood((_post(b"/price", b"x" * 60_000),), 200.0),
            "catalog",
            is_control=True,
        ),
    ]


def _flood(target: bytes) -> Flood:
    return Flood((_get(target),), 400.0)


class NormalClient:
    """Somebody who uses the front end all the time, over kept connections and new ones."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address, self._kept = address, self._open(address)
        trades = itertools.cycle(_trades("GameStart"))
        self.probes: dict[str, Callable[[], float]] = {
            "query": lambda: self._ask(_get(b"/stocks?stock_name=" + STOCK.encode())),
            "query, new connection": self._ask_anew,
            "order": lambda: self._ask(_get(b"/orders?order_no=1")),
            "leader": lambda: self._ask(_get(b"/leader")),
            "trade": lambda: self._ask(next(trades)),
        }

    def measure(self, seconds: float, probes: Sequence[str]) -> dict[str, list[float]]:
        """Ask each of these in turn for a while; return the durations in seconds."""
        found: dict[str, list[float]] = {name: [] for name in probes}
        until_s = monotonic_s() + seconds
        gc.disable()
        try:
            while monotonic_s() < until_s:
                for name in probes:
                    found[name].append(self.probes[name]())
                    wait(PAUSE_S)
        finally:
            gc.enable()
        return found

    def _ask(self, request: bytes, sock: socket.socket | None = None) -> float:
        began_s = monotonic_s()
        sock = sock or self._kept
        sock.sendall(request)
        received = sock.recv(65536)
        seconds = monotonic_s() - began_s
        assert received[9:12] in (b"200", b"404"), received[:500]
        return seconds

    def _ask_anew(self) -> float:
        began_s = monotonic_s()
        with self._open(self._address) as sock:
            self._ask(_get(b"/stocks?stock_name=" + STOCK.encode()), sock)
            return monotonic_s() - began_s

    @staticmethod
    def _open(address: tuple[str, int]) -> socket.socket:
        sock = socket.create_connection(address, ANSWER_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


@dataclass(slots=True)
class Comparison:
    """A normal client's durations while all is quiet, and during one attack."""

    scenario: Scenario
    quiet: dict[str, list[float]] = field(default_factory=dict)
    attacked: dict[str, list[float]] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)

    def row(self, probes: Sequence[str]) -> list[str]:
        """Return its row of the table."""
        cells = [self._cell(probe) for probe in probes]
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.answers.items()))
        share = statistics.fmean(self.shares) if self.shares else 0.0
        return [self.scenario.name, f"{share:.0%}", told, *cells]

    def _cell(self, probe: str) -> str:
        if probe not in self.attacked:
            return ""
        (quiet_50, quiet_99), (now_50, now_99) = (
            _quantiles(one[probe]) for one in (self.quiet, self.attacked)
        )
        ratio = now_99 / quiet_99
        return f"{quiet_50:.2f}, {quiet_99:.2f} -> {now_50:.2f}, {now_99:.2f} ({ratio:.1f}x)"


def _quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return 1000 * statistics.median(ordered), 1000 * ordered[int(len(ordered) * 0.99)]


def compare(
    cluster: LiveCluster, client: NormalClient, scenario: Scenario, seconds: float
) -> Comparison:
    """Measure quiet and attack in turn."""
    found = Comparison(scenario)
    probes = [one for one in client.probes if not (scenario.paused and one == "trade")]
    for _ in range(ROUNDS):
        _add(found.quiet, client.measure(seconds, probes))
        target = cluster.leader() if scenario.process == "leader" else scenario.process
        node = dict(cluster.topology.nodes())[target]
        address = node.control_address if scenario.is_control else node.address
        with _paused(cluster, scenario.paused), attacking(scenario.attack, address) as report:
            wait(1.0)  # until it is at its height
            _add(found.attacked, client.measure(seconds, probes))
        found.shares.append(report.processor_share)
        for name, count in report.answers.items():
            found.answers[name] = found.answers.get(name, 0) + count
        cluster.heal()
        wait(1.0)
    return found


def _add(to: dict[str, list[float]], found: dict[str, list[float]]) -> None:
    for name, seconds in found.items():
        to.setdefault(name, []).extend(seconds)


def _paused(cluster: LiveCluster, wanted: str) -> AbstractContextManager[None]:
    if not wanted:
        return nullcontext()
    return _pausing(cluster, cluster.leader() if wanted == "leader" else wanted)


@contextmanager
def _pausing(cluster: LiveCluster, name: str) -> Iterator[None]:
    cluster.pause(name)
    try:
        yield
    finally:
        cluster.resume(name)


def make_login(cluster: LiveCluster) -> bytes:
    """Return a request that tries to sign in with a wrong password."""
    connection = HTTPConnection(urlsplit(cluster.url("dashboard")).netloc, timeout=ANSWER_S)
    connection.request("GET", "/login/")
    reply = connection.getresponse()
    page, cookie = reply.read().decode(), (reply.getheader("Set-Cookie") or "").partition(";")[0]
    connection.close()
    (token,) = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page))
    name = "nobody" + NUMBER.decode()
    fields = {"csrfmiddlewaretoken": token, "username": name, "password": "x", "next": "/"}
    headers = f"Content-Type: application/x-www-form-urlencoded\r\nCookie: {cookie}\r\n"
    return _post(b"/login/", urlencode(fields).encode(), headers.encode())


def main() -> int:
    """Measure every attack and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.attacks", description=__doc__)
    parser.add_argument("--only", default="", help="a word in the names of those to run")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one measurement")
    parser.add_argument("--server", choices=("granian", "gunicorn"), default="granian")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bazaar-attacks-") as folder:
        cluster = LiveCluster(Path(folder), "--server", options.server)
        try:
            cluster.heal()
            warm_up(cluster)
            client = NormalClient(cluster.topology.front_ends[0].address)
            client.measure(options.seconds, list(client.probes))
            for scenario in list_scenarios(make_login(cluster)):
                if options.only in scenario.name:
                    found = compare(cluster, client, scenario, options.seconds)
                    rows.append(found.row(list(client.probes)))
                    _say(" | ".join(rows[-1]))
        finally:
            cluster.end()
    names = [f"{name}, ms (p50, p99)" for name in client.probes]
    _say(table(("attack", "attacker's processor", "its answers", *names), rows))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
