"""
Log lines: one event a line, a phrase and then fields, as text or as JSON.

A line that is written for a request has its ids and what is known of it
(`bazaar.protocol.tracing`). Texts from outside are cut, and control characters are escaped, so
nobody can write a line of their own. Lines are bounded by kind (I10): past that they are counted,
and the next line of the kind, or the next status, says how many. Lines of other libraries are
formatted alike. The levels are in docs/OPERATING.md.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.conf import settings

from bazaar import clock
from bazaar.protocol import tracing
from bazaar.runtime.imports import absent

with absent("rich"):  # it would colour tracebacks on terminals, which no line does
    import structlog
    from structlog.stdlib import BoundLogger, ProcessorFormatter

TEXT_CHARS_MAX, TRACEBACK_CHARS_MAX = 1000, 8000
"""Characters of one field, and of a traceback: its end counts."""
INTERVAL_S = 5.0
"""The time in which the lines of one kind are counted."""
LINES_MAX, TRACEBACKS_MAX = 20, 3
"""Lines of one kind in that time, and those with a traceback."""
KINDS_MAX = 500
"""Kinds of lines that are told apart; all others are one kind."""
_REQUEST_FIELDS = ("key", "term", "order_no", "trades")
"""What a line says of its request besides the ids, where it is known."""

EventFields = MutableMapping[str, Any]
Log = BoundLogger

structlog.configure(
    processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=BoundLogger,
    cache_logger_on_first_use=True,
)


def get_log(name: str) -> Log:
    """
    Return the log of a part of the bazaar.

    It is used as in `log.warning("a constant phrase", field=value)`.
    """
    log: Log = structlog.stdlib.get_logger(name)
    return log


def describe_process() -> Mapping[str, Any]:
    """Return role and id of this process, as its settings have them."""
    role = settings.BAZAAR_ROLE
    return {"role": "command"} if role is None else {"role": role, "id": settings.BAZAAR_NODE.id}


def make_formatter(
    style: str, describe: Callable[[], Mapping[str, Any]] = describe_process
) -> logging.Formatter:
    """
    Return what makes a line of each record, our own or of another library.

    style: text or json. describe: returns `role`, and what else names the process.
    """

    def finish(_log: Any, _method: str, event: EventFields) -> EventFields:
        return _order_fields(event, describe())

    render = _render_json if style == "json" else _render_text
    return ProcessorFormatter(processors=[finish, render])


def make_named_formatter(process: str) -> logging.Formatter:
    """Return what makes JSON lines of a process by its name; it reads no settings."""
    role, _, number = process.partition("-")
    named = {"role": role, "id": int(number or 1)}
    return make_formatter("json", lambda: named)


def _order_fields(event: EventFields, process: Mapping[str, Any]) -> EventFields:
    """Return time, level, event, process, fields and ids, in this order."""
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    exc_info, phrase = event.pop("exc_info", None), event.pop("event", "")
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    found: EventFields = {
        "time": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": _cut(str(phrase)),
        **process,
        "logger": record.name,
    }
    for name, value in event.items():
        found[f"{name}_" if name in found else name] = _tame(value)
    if span := tracing.current():
        found.setdefault("request_id", span.context.request_id)
        found.setdefault("trace_id", span.context.trace_id)
        for name in _REQUEST_FIELDS:
            if name in span.attributes:
                found.setdefault(name, span.attributes[name])
    if left_out := getattr(record, "left_out", 0):
        found["left_out"] = left_out
    if exc_info:
        found["exception"] = _format_traceback(exc_info)
    return found


def _tame(value: Any) -> Any:
    """Return a value of bounded size that JSON knows."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "..."


def _format_traceback(exc_info: Any) -> str:
    """Return a traceback as text; True stands for the exception that is being handled."""
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    elif not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    return logging.Formatter().formatException(exc_info)[-TRACEBACK_CHARS_MAX:]


def _render_json(_log: Any, _method: str, event: EventFields) -> str:
    return json.dumps(event, default=str)


def _render_text(_log: Any, _method: str, event: EventFields) -> str:
    """Return time, level, logger, phrase, fields; a traceback is in lines of its own."""
    rest = {name: value for name, value in event.items() if name not in ("role", "id", "logger")}
    exception = rest.pop("exception", "")
    time, level, phrase = rest.pop("time"), rest.pop("level").upper(), rest.pop("event")
    fields = [f"{name}={_quote(value)}" for name, value in rest.items()]
    line = " ".join((time, level, event["logger"], _escape(phrase), *fields))
    return f"{line}\n{exception}" if exception else line


def _quote(value: Any) -> str:
    """Return a value as one word; in quotes, with escapes, when it has more than one."""
    text = str(value)
    is_word = text.isprintable() and not any(one in text for one in ' "=') and text
    return text if is_word else json.dumps(text, ensure_ascii=not text.isprintable())


def _escape(phrase: str) -> str:
    return phrase if phrase.isprintable() else json.dumps(phrase)


class _Kind:
    """The lines of one kind since the beginning of its interval."""

    __slots__ = ("began_s", "left_out", "lines")

    def __init__(self, began_s: float) -> None:
        self.began_s, self.lines, self.left_out = began_s, 0, 0


class LineLimiter(logging.Filter):
    """Lets some lines of each kind through in an interval, and counts the others."""

    def __init__(self, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        """now_s: seconds on a clock that never goes back."""
        super().__init__()
        self._now_s = now_s
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written; it is told how many of its kind were not."""
        phrase, has_traceback = _phrase_of(record)
        lines_max = TRACEBACKS_MAX if has_traceback else LINES_MAX
        with self._lock:
            kind = self._find_kind((record.name, record.levelno, phrase))
            if self._now_s() - kind.began_s >= INTERVAL_S:
                record.left_out = kind.left_out
                kind.began_s, kind.lines, kind.left_out = self._now_s(), 0, 0
            is_written = kind.lines < lines_max
            kind.lines += is_written
            kind.left_out += not is_written
        return is_written

    def flush(self) -> None:
        """Write how many lines were left out in intervals that are over."""
        with self._lock:
            now_s = self._now_s()
            due = [
                (name, phrase, kind.left_out)
                for (name, _, phrase), kind in self._kinds.items()
                if kind.left_out and now_s - kind.began_s >= INTERVAL_S
            ]
            for kind in self._kinds.values():
                if now_s - kind.began_s >= INTERVAL_S:
                    kind.left_out = 0
        for name, phrase, left_out in due:
            _log.warning("lines left out", logger_name=name, phrase=phrase, left_out=left_out)

    def _find_kind(self, key: tuple[str, int, str]) -> _Kind:
        if key not in self._kinds and len(self._kinds) >= KINDS_MAX:
            key = ("", 0, "")
        return self._kinds.setdefault(key, _Kind(self._now_s()))


def _phrase_of(record: logging.LogRecord) -> tuple[str, bool]:
    """Return the constant part of a line, and whether it has a traceback."""
    if isinstance(record.msg, dict):  # of structlog
        return str(record.msg.get("event")), bool(record.msg.get("exc_info"))
    return str(record.msg)[:TEXT_CHARS_MAX], bool(record.exc_info)


line_limiter = LineLimiter()
"""The one of this process."""
_log = get_log("bazaar.runtime.log_lines")


def get_limiter() -> LineLimiter:
    """Return the one limiter of this process, for the settings."""
    return line_limiter


def catch_the_rest() -> None:
    """Write warnings, and exceptions that nobody catches, as log lines, too."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _note_exception
    threading.excepthook = lambda args: _note_exception(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def _note_exception(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    _log.critical("uncaught", exc_info=(kind, error, traceback))


def make_line(style: str, sentence: str, **process: Any) -> str:
    """Return the line of a process that has no log yet: a sentence as it is, or JSON."""
    if style != "json":
        return sentence
    record = logging.LogRecord("bazaar", logging.ERROR, "", 0, sentence, (), None)
    return make_formatter(style, lambda: process).format(record)
