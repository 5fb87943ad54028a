"""gunicorn as the manager of processes: the class of its workers (docs/adr/0027)."""

from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from bazaar.runtime.log_lines import make_named_formatter
from bazaar.web.serving import serve


class HttpWorker(Worker):  # type: ignore[misc]
    """A worker that serves with our own server on gunicorn's sockets."""

    def run(self) -> None:
        """Serve until a signal ends it."""
        sockets: list[Any] = [one.sock for one in self.sockets]
        serve(self.wsgi, sockets)


class JsonLog(Logger):  # type: ignore[misc]
    """gunicorn's own log lines as JSON."""

    def setup(self, cfg: Any) -> None:
        """Set up as gunicorn does, then change the form of the lines."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(make_named_formatter(cfg.proc_name))
