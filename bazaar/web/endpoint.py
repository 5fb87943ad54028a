"""
An endpoint: one path of a listener, written once (docs/adr/0025).

A room lists its endpoints in one table. Everything that happens to a request follows from the
table: the router's answer to programs, the page with forms for browsers, and the list at `GET /`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from inspect import getdoc
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bazaar.protocol.endpoints import EndpointBody, FieldBody, IndexBody, MethodBody, fields_of
from bazaar.protocol.errors import FAILURE_HEADER

Environ = dict[str, Any]
"""A request as WSGI has it (PEP 3333)."""
Handler = Callable[..., Any]
KEY_HEADER = "Idempotency-Key"
"""The header of a trade that names it, in request and answer."""
ANSWER_HEADERS = "bazaar.answer_headers"
"""Where a request carries headers that its answer gets, whether it fails or not."""

process_headers: list[tuple[str, str]] = []
"""Headers that every answer of this process gets, refusals too: what is true of all of it."""

EVENT_LOOP = "bazaar.event_loop"
"""Where a request carries the event loop of its server, if there is one (`EventLoop`)."""

SIGNED_DIGEST = "bazaar.signed_digest"
"""Where a request carries the digest of its body, once the signature of its head was checked."""

CLIENT_NAME = "bazaar.client_name"
"""
Where a request of a client carries the name of its token; None, or nothing, without one.

It is there once the client was checked (`client_auth`).
"""

FORM_BODY = "bazaar.form_body"
"""Where a request carries the JSON that the form of a page stands for."""

PUBLIC_BODY_BYTES_MAX = 64 * 1024
MEMBER_BODY_BYTES_MAX = 8 * 1024 * 1024


class Port(StrEnum):
    """The two listeners of a process."""

    SERVED = "served"
    CONTROL = "control"


class Audience(StrEnum):
    """The callers of an endpoint, in the words that its page shows."""

    PUBLIC = "Anybody; no signature is asked for."
    PROBE = "Anybody, as often as wanted: it says how the process is."
    MONITOR = "Whoever has the metrics token; callers on this machine where there is none."
    MEMBER = "Members of the cluster, who sign each request; staff may read at the dashboard."


class Lane(StrEnum):
    """Threads that a request may wait in; those of one lane never hold up another."""

    LOCAL = "local"
    """What this process answers itself."""
    LOOK_UP = "look-up"
    """What another process is asked for."""
    TRADE = "trade"
    """What may wait for the leader until a deadline."""


JSON = "application/json"
OK = "200 OK"
ReadyAnswer = tuple[str, list[tuple[str, str]], bytes, Callable[[float], None] | None]
"""
An answer that is encoded already: status line, all headers, Content-Length too, and body.

The last counts it with its duration in seconds; None: the meter of method and path does. A plain
tuple, because a hit is answered in three microseconds.
"""


TakeAnswer = Callable[[ReadyAnswer | Exception], None]
"""Takes the answer to a request, from any thread; an error is explained as one that was raised."""


@dataclass(frozen=True, slots=True)
class DescribedError:
    """An error as it is answered, before it has the shape of an endpoint."""

    code: int
    """The HTTP status."""
    message: str
    headers: dict[str, str]


def shape_error(error: DescribedError, environ: Environ) -> dict[str, Any]:
    """Return the body of an error, as most endpoints have it."""
    return {"error": {"code": error.code, "message": error.message}}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointMethod:
    """One method of an endpoint, and the function that answers it."""

    method: str
    """GET or POST."""
    handler: Handler
    """
    Takes the decoded request, if there is one, and returns a message, a dict or a ReadyAnswer.

    Raises Failure, EndpointRefusedError.
    """
    request: type[Struct] | None = None
    """The query of a GET or the body of a POST; None: there is nothing to decode."""
    example: Struct | None = None
    """A valid request; the form on the page is made of it. None: the defaults of `request`."""
    takes_environ: bool = False
    """Whether the handler takes the WSGI environ as a second argument, for headers."""
    read: Callable[[bytes, Environ], Any] | None = None
    """Decodes the body where the type alone does not say enough."""
    changes: bool = False
    """Whether something is different afterwards; a GET may, in the seed's dialect."""
    headers: tuple[FieldBody, ...] = ()
    """Headers that the form asks for besides."""
    shape_failure: Callable[[DescribedError, Environ], Any] = shape_error
    error_type: str = JSON
    """The content type of its errors."""
    error_statuses: Mapping[str, int] = field(default_factory=dict)
    """The statuses of failures that have another one here than in `protocol.errors`, by name."""
    doc: str = ""
    """What it does, takes and answers; empty: what the handler says."""
    is_strict: bool = False
    """Whether query parameters that it does not have are refused; else they are ignored."""
    lane: Lane = Lane.LOCAL
    """The threads that run the handler."""
    is_instant: bool = False
    """
    Whether the handler never waits: it needs no thread of its own.

    It answers from memory, or by one short read of its own database.
    """
    ready: Callable[[Any, Environ], ReadyAnswer | None] | None = None
    """Answers from memory without waiting, or returns None: then the handler is called."""

    later: Callable[[Any, Environ, TakeAnswer], None] | None = None
    """Begins what the handler does, and has the answer taken from another thread at its end."""

    @property
    def call(self) -> Handler:
        """The handler as a function of decoded request and environ."""
        handler = self.handler
        if self.takes_environ:
            return handler
        if self.request is None:
            return lambda message, environ: handler()
        return lambda message, environ: handler(message)

    def restate(self, error: DescribedError) -> DescribedError:
        """Return an error with the status that it has here."""
        kind = error.headers.get(FAILURE_HEADER, "")
        return replace(error, code=self.error_statuses.get(kind, error.code))

    def describe(self) -> MethodBody:
        """Return what a form needs to know."""
        example = self.example or (self.request() if self.request else None)
        fields = fields_of(example, "query" if self.method == "GET" else "body") + self.headers
        return MethodBody(method=self.method, changes=self.changes, fields=fields)


def get(handler: Handler, request: type[Struct] | None = None, **more: Any) -> EndpointMethod:
    """Return the GET of an endpoint; `more` as in EndpointMethod."""
    return EndpointMethod(method="GET", handler=handler, request=request, **more)


def post(handler: Handler, request: type[Struct], example: Struct, **more: Any) -> EndpointMethod:
    """Return the POST of an endpoint; `more` as in EndpointMethod."""
    return EndpointMethod(
        method="POST", handler=handler, request=request, example=example, changes=True, **more
    )


class Endpoint:
    """One path: where it is, what it does, and its callers."""

    def __init__(
        self,
        path: str,
        *actions: EndpointMethod,
        ports: tuple[Port, ...] = (Port.SERVED,),
        audience: Audience = Audience.MEMBER,
    ) -> None:
        """
        Take the path, and one action for each method.

        path: with a slash in front and none at the end. It may have a parameter, as in
        `/stocks/{name}`: all that follows, slashes too, up to what the path has behind it. It is a
        field of the GET's request.
        """
        self.path, self.actions, self.ports, self.audience = path, actions, ports, audience
        self.prefix, _, rest = path.partition("{")
        self.parameter, _, self.suffix = rest.partition("}")
        """The parameter's name, and what comes behind it; empty: there is none."""

    def rank(self) -> int:
        """Return how late a path is compared with this one: the more it takes, the later."""
        return (2 - bool(self.suffix)) if self.parameter else 0

    def takes(self, path: str) -> bool:
        """Tell whether a path is this one with a parameter."""
        return path.startswith(self.prefix) and len(self.read_parameter(path)) > 0

    def read_parameter(self, path: str) -> str:
        """Return a path's text in the place of the parameter; empty: it is another path."""
        text = path[len(self.prefix) :]
        if not self.suffix:
            return text
        bare = text.removesuffix("/")
        return bare.removesuffix(self.suffix) if bare.endswith(self.suffix) else ""

    @property
    def doc(self) -> str:
        """What it does, takes and answers: what its handlers say, shown on its page."""
        docs = dict.fromkeys(one.doc or getdoc(one.handler) or "" for one in self.actions)
        return "\n\n".join(docs)

    @property
    def body_bytes_max(self) -> int:
        """The longest body that is read."""
        return MEMBER_BODY_BYTES_MAX if self.is_for_members else PUBLIC_BODY_BYTES_MAX

    @property
    def is_for_members(self) -> bool:
        """Whether requests must be signed."""
        return self.audience is Audience.MEMBER

    @property
    def allow(self) -> str:
        """The value of `Allow`."""
        return ", ".join([*(action.method for action in self.actions), "HEAD", "OPTIONS"])

    def action(self, method: str) -> EndpointMethod | None:
        """Return what answers a method; HEAD is a GET."""
        wanted = "GET" if method == "HEAD" else method
        return next((action for action in self.actions if action.method == wanted), None)

    def describe(self) -> EndpointBody:
        """Return what `GET /` lists of it."""
        return EndpointBody(
            path=self.path,
            link=self.link,
            description=self.doc,
            audience=self.audience,
            methods=tuple(map(self._describe_action, self.actions)),
        )

    @property
    def link(self) -> str:
        """Its path, with a valid example of the parameter."""
        if not self.parameter:
            return self.path
        fields = (one for action in self.actions for one in action.describe().fields)
        example = next(one.example for one in fields if one.name == self.parameter)
        return self.prefix + quote(example, safe="") + self.suffix

    def _describe_action(self, action: EndpointMethod) -> MethodBody:
        told = action.describe()
        fields = tuple(
            msgspec.structs.replace(one, part="path") if one.name == self.parameter else one
            for one in told.fields
        )
        return msgspec.structs.replace(told, fields=fields)


def with_index(
    endpoints: tuple[Endpoint, ...], port: Port, audience: Audience
) -> tuple[Endpoint, ...]:
    """Return the endpoints of one port, after `GET /`, which lists them."""
    served = tuple(one for one in endpoints if port in one.ports)

    def list_endpoints() -> IndexBody:
        """
        List what this port serves: every path, what it does, who may call it, and how.

        GET answers `{"endpoints": [{"path", "description", "audience", "methods"}, ...]}`. A method
        has its fields, each with a valid example.
        """
        return IndexBody(endpoints=tuple(one.describe() for one in served))

    return Endpoint("/", get(list_endpoints), ports=(port,), audience=audience), *served
