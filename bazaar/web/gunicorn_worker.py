"""gunicorn as the manager of processes: the class of its workers (docs/adr/0027)."""

from typing import Any

from gunicorn.workers.base import Worker

from bazaar.web.serving import serve


class HttpWorker(Worker):  # type: ignore[misc]
    """A worker that serves with our own server on gunicorn's sockets."""

    def run(self) -> None:
        """Serve until a signal ends it."""
        sockets: list[Any] = [one.sock for one in self.sockets]
        serve(self.wsgi, sockets)
