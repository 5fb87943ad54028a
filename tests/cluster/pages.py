"""Open pages of the dashboard, without browsers: they poll as the page's script does."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.cluster.conftest import LiveCluster

PATHS = ("/", "/cache", "/stocks", "/orders", "/events", "/traffic", "/trace")
TIMEOUT_S = 10.0
NEXT = "Bazaar-Next-Ms"
RETRY_MS = 1000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class DashboardUser:
    """One signed-in user; its pages share the session."""

    def __init__(self, cluster: LiveCluster) -> None:
        """Sign in with the password that the cluster made."""
        self.address = urlsplit(cluster.url("dashboard")).netloc
        self._cookies: SimpleCookie = SimpleCookie()
        form = self.call("GET", "/login/")
        password = (cluster.data.root / "dashboard.password").read_text().strip()
        fields = {"username": "admin", "password": password}
        self.post("/login/?next=/", {**fields, "csrfmiddlewaretoken": token(form)})

    @property
    def cookie(self) -> str:
        """The header that carries the session."""
        return "; ".join(f"{name}={one.value}" for name, one in self._cookies.items())

    def post(self, path: str, fields: dict[str, str]) -> str:
        """Send a form and return the answer."""
        return self.call("POST", path, urlencode(fields))

    def read(self, path: str) -> Any:
        """Return the JSON of a panel."""
        return json.loads(self.call("GET", path))

    def do(self, path: str, form_at: str, fields: dict[str, str]) -> None:
        """Send one of a page's forms, with the token that stands in it."""
        page = self.call("GET", form_at)
        self.post(path, {**fields, "csrfmiddlewaretoken": token(page)})

    def call(self, method: str, path: str, body: str | None = None) -> str:
        """Ask once over a connection of its own."""
        connection = HTTPConnection(self.address, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, {**FORM, "Cookie": self.cookie})
            reply = connection.getresponse()
            for name, value in reply.getheaders():
                if name.lower() == "set-cookie":
                    self._cookies.load(value)
            text = reply.read().decode()
        finally:
            connection.close()
        assert reply.status in (200, 302), (path, reply.status, text[:500])
        return text


class OpenPage:
    """One open page: asks for its changing part whenever the server says that there is news."""

    def __init__(self, user: DashboardUser, path: str) -> None:
        self.path, self.texts, self.failures = path, list[str](), 0
        self._user, self._closed = user, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._thread.join(TIMEOUT_S)

    def _look(self) -> None:
        connection = HTTPConnection(self._user.address, timeout=TIMEOUT_S)
        headers = {"Cookie": self._user.cookie, "HX-Request": "true"}
        wait_ms = 0
        while not self._closed.wait(wait_ms / 1000):
            try:
                connection.request("GET", self.path, headers=headers)
                reply = connection.getresponse()
                text, wait_ms = reply.read().decode(), int(reply.getheader(NEXT, RETRY_MS))
                assert reply.status == 200, text[:500]
                self.texts.append(text)
            except (OSError, HTTPException, AssertionError):
                self.failures += 1
                connection.close()
                wait_ms = RETRY_MS
        connection.close()


@contextmanager
def open_pages(
    user: DashboardUser, count: int, paths: Sequence[str] = PATHS
) -> Iterator[list[OpenPage]]:
    """Open so many pages, of all kinds in turns, and close them in the end."""
    pages = [OpenPage(user, paths[number % len(paths)]) for number in range(count)]
    try:
        yield pages
    finally:
        for page in pages:
            page.close()


def token(page: str) -> str:
    """Return what a form carries so that no other site can send it."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page[:500]
    return found.group(1)
