"""A crowd at the sign-in costs few password checks, and keeps no user out."""

import http.client
import re
from functools import partial
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from bazaar.clock import wait_until
from bazaar.settings.admin import SIGN_IN_FAILURES_MAX
from dashboard.sign_in import UNKNOWN_BURST, UNKNOWN_PER_S
from tests.cluster.conftest import LiveCluster
from tests.support.waits import in_thread, start_together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

CROWD = 60
TIMEOUT_S = 60.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HERE, ELSEWHERE, THERE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
"""Not the one from which other tests sign in to the same cluster."""


class Browser:
    """A browser at one address, with its cookies."""

    def __init__(self, cluster: LiveCluster, address: str) -> None:
        self.node, self.address = cluster.topology.dashboard, address
        self.cookies: dict[str, str] = {}

    def sign_in(self, name: str, password: str) -> int:
        """Open the form, send it, and return the status."""
        page = self.call("GET", "/login/")[1]
        return self.send(name, password, self.token(page))

    def send(self, name: str, password: str, token: str) -> int:
        """Send the form and return the status."""
        fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        return self.call("POST", "/login/?next=/", urlencode(fields))[0]

    def token(self, page: str) -> str:
        """Return the token of a form."""
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        return str(token)

    def call(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Ask once, from this browser's address."""
        connection = http.client.HTTPConnection(
            *self.node.address, timeout=TIMEOUT_S, source_address=(self.address, 0)
        )
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, {**FORM, "Cookie": cookie})
            reply = connection.getresponse()
            for value in reply.headers.get_all("set-cookie") or ():
                name, _, rest = value.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return reply.status, reply.read().decode()
        finally:
            connection.close()


def crowd(cluster: LiveCluster, address: str, names: list[str]) -> list[int]:
    """Try a wrong password for each name, all at once; return the statuses."""
    intruder = Browser(cluster, address)
    token = intruder.token(intruder.call("GET", "/login/")[1])
    futures = start_together([partial(intruder.send, name, "wrong", token) for name in names])
    return [future.result(TIMEOUT_S) for future in futures]


def checks(cluster: LiveCluster) -> int:
    """Return how many passwords were checked and wrong so far, as the log says, soon."""
    return cluster.data.log_path("dashboard").read_text().count("sign-in failed ")


def test_sixty_sign_ins_at_once_cost_five_checks_and_keep_nobody_out(cluster: LiveCluster) -> None:
    """Counted before they are checked; the user gets in meanwhile, wherever that is possible."""
    password = (cluster.data.root / "dashboard.password").read_text().strip()
    known = Browser(cluster, HERE)
    assert known.sign_in("admin", password) == 302
    known.cookies.pop("bazaar_session")

    before = checks(cluster)
    attack = in_thread(lambda: crowd(cluster, HERE, ["admin"] * CROWD))
    assert Browser(cluster, ELSEWHERE).sign_in("admin", password) == 302
    assert known.sign_in("admin", password) == 302
    statuses = attack.result(TIMEOUT_S)
    assert set(statuses) <= {200, 429}
    assert statuses.count(429) > CROWD - SIGN_IN_FAILURES_MAX
    assert wait_until(lambda: checks(cluster) - before == SIGN_IN_FAILURES_MAX, TIMEOUT_S)
    assert Browser(cluster, HERE).sign_in("admin", password) == 429
    assert Browser(cluster, ELSEWHERE).sign_in("admin", password) == 302


def test_a_crowd_of_invented_names_keeps_no_user_out(cluster: LiveCluster) -> None:
    """From the same address, in a browser that the server has never seen."""
    password = (cluster.data.root / "dashboard.password").read_text().strip()
    before = checks(cluster)
    attack = in_thread(lambda: crowd(cluster, THERE, [uuid4().hex for _ in range(CROWD)]))
    assert Browser(cluster, THERE).sign_in("admin", password) == 302
    statuses = attack.result(TIMEOUT_S)
    assert set(statuses) <= {200, 429}
    checked = statuses.count(200)
    assert checked <= UNKNOWN_BURST + 1 + TIMEOUT_S * UNKNOWN_PER_S
    assert wait_until(lambda: checks(cluster) - before == checked, TIMEOUT_S)
