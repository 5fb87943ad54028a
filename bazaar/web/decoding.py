"""
Requests to checked messages: the query of a GET, the JSON body of a POST.

What a request may hold is said by a msgspec type. A request that does not fit is refused with one
sentence that names the field and what it must be.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Struct, inspect

from bazaar.core.types import ORDER_NO_MAX, STOCK_NAME_CHARS_MAX
from bazaar.protocol.endpoints import is_optional, required_type
from bazaar.web.endpoint import FORM_BODY, JSON, Endpoint, EndpointMethod, Environ

FORM = "application/x-www-form-urlencoded"
UNKNOWN = "application/octet-stream"
_CONTENT_TYPE = re.compile(
    r"[\w.+-]+/[\w.+-]+(; ?boundary=[\w'()+,./:=?-]{1,70})?",
    re.ASCII | re.IGNORECASE,
)
"""Content types as Django takes them; a charset makes it parse the query before any view."""
PARAMETERS_MAX = 1000
"""Parameters of one query."""
QUERIES_CACHED_MAX, QUERY_CHARS_MAX = 10_000, 250
"""Queries whose decoding is remembered, if they are not longer; for each kind of query."""
QUERY_READ_CHARS_MAX = 4096
"""The longest query that is decoded: a name of 200 characters takes 2,400 at most."""
CONTENT_TYPE_CHARS_MAX = 200
_NUMBER_CHARS_MAX = 19
_TYPES_CACHED_MAX = 256


class EndpointRefusedError(Exception):
    """A request that HTTP or its endpoint does not take; nothing was done (definite)."""

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """message: one sentence for the caller. headers: of the answer."""
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def bad_request(message: str) -> EndpointRefusedError:
    """Return a refusal with status 400."""
    return EndpointRefusedError(HTTPStatus.BAD_REQUEST, message)


def read_body(environ: Environ, bytes_max: int) -> bytes:
    """
    Return the whole body. Raises EndpointRefusedError: 411, 413, 400.

    bytes_max: a longer one is refused before it is read.
    """
    check_length(environ, bytes_max)
    length = environ.get("CONTENT_LENGTH") or "0"
    if length == "0":
        if "HTTP_TRANSFER_ENCODING" in environ:  # WSGI would read nothing: it would seem empty
            raise EndpointRefusedError(
                HTTPStatus.LENGTH_REQUIRED,
                "Send a Content-Length; a chunked body is not read.",
            )
        return b""
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


def check_length(environ: Environ, bytes_max: int) -> None:
    """Raise EndpointRefusedError (400, 413) for the announced length of a body."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not _is_digits(length):
        raise bad_request("Content-Length: this is not a number of bytes.")
    if int(length) > bytes_max:
        raise EndpointRefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {bytes_max} bytes."
        )


def check_json(environ: Environ) -> None:
    """Raise EndpointRefusedError (415) when a body is not announced as JSON."""
    kind = environ.get("CONTENT_TYPE") or ""
    if kind != JSON and media_type(environ) != JSON:
        raise EndpointRefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'Unsupported media type "{kind[:80]}" in request.'
        )


def media_type(environ: Environ) -> str:
    """Return the content type without its parameters, in lower case."""
    return str(environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()


def tame_content_type(environ: Environ) -> None:
    """Drop what Django would stumble over from a content type, or all of it."""
    kind = environ.get("CONTENT_TYPE")
    if kind and len(kind) > CONTENT_TYPE_CHARS_MAX:
        environ["CONTENT_TYPE"] = UNKNOWN
    elif kind and not _CONTENT_TYPE.fullmatch(kind):
        bare = media_type(environ)
        environ["CONTENT_TYPE"] = bare if _CONTENT_TYPE.fullmatch(bare) else UNKNOWN


def decode_body(body: bytes, kind: type[Struct]) -> Any:
    """Return a body as a message of a type. Raises EndpointRefusedError (400)."""
    if not body:
        raise bad_request("A JSON object is required as the body.")
    return decode_json(body, kind)


def decode_json(body: bytes, kind: Any) -> Any:
    """
    Return JSON as a type: no NaN, no lone surrogates.

    Raises EndpointRefusedError (400).
    """
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise bad_request(f"The body is not right: {error}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise bad_request(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise bad_request("The body is nested too deeply.") from error


@lru_cache(_TYPES_CACHED_MAX)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


Texts = Mapping[str, list[str]]


class _QueryReader:
    """Turns the texts of a query into a message of a type."""

    def __init__(self, kind: type[Struct], parameter: str, *, is_strict: bool) -> None:
        told = inspect.type_info(kind)
        assert isinstance(told, inspect.StructType), "a query is a struct"
        self.kind, self._parameter = kind, parameter
        self.checks = {
            one.encode_name: _make_check(one.encode_name, required_type(one.type))
            for one in told.fields
        }
        self.optional = {one.encode_name for one in told.fields if is_optional(one.type)}
        self._known = sorted(self.checks.keys() - {parameter}) if is_strict else None

    def read(self, query: str, in_path: str | None = None) -> Any:
        """Return the message. Raises EndpointRefusedError (400)."""
        _check_length(query)
        given = _parse(query)
        if self._known is not None:
            _refuse_unknown(given, self._known)
        if in_path is not None:
            given[self._parameter] = [in_path]
        values = {
            name: check(_read_one(name, given))
            for name, check in self.checks.items()
            if name not in self.optional or given.get(name, [""]) != [""]
        }
        try:
            return msgspec.convert(values, self.kind)
        except msgspec.ValidationError as error:
            raise bad_request(f"The query is not right: {error}.") from error


def make_query_reader(kind: type[Struct], *, is_strict: bool = False) -> Callable[[str], Any]:
    """
    Return a function that turns a query string into a message of a type.

    It raises EndpointRefusedError (400). A field that may be None may be left out.

    is_strict: whether parameters that the type does not have are refused by name; else they are
    ignored.
    """
    reader = _QueryReader(kind, "", is_strict=is_strict)
    if len(reader.checks) != 1 or reader.optional:
        return reader.read
    ((only, check_only),) = reader.checks.items()

    def read_single(query: str) -> Any:
        """Read what nearly every request looks like, and leave the others to `reader`."""
        _check_length(query)
        name, _, text = query.partition("=")
        if name != only or "&" in text:
            return reader.read(query)
        return kind(check_only(unquote_plus(text) if "%" in text or "+" in text else text))

    read_cached = lru_cache(QUERIES_CACHED_MAX)(read_single)
    return lambda query: (read_cached if len(query) <= QUERY_CHARS_MAX else read_single)(query)


def make_path_reader(
    kind: type[Struct], parameter: str, *, is_strict: bool = False
) -> Callable[[str, str], Any]:
    """
    Return a function of the text of a parameter in the path, and of the query.

    It does what that of `make_query_reader` does. parameter: the field whose text is in the path.
    """
    reader = _QueryReader(kind, parameter, is_strict=is_strict)
    assert reader.checks.keys() == {parameter}, "the path has all there is to say"
    check = reader.checks[parameter]

    @lru_cache(QUERIES_CACHED_MAX)
    def read_cached(in_path: str) -> Any:
        return kind(check(in_path))

    def read(in_path: str, query: str) -> Any:
        if query or len(in_path) > QUERY_CHARS_MAX:
            return reader.read(query, in_path)
        return read_cached(in_path)

    return read


def read_parameter(environ: Environ, endpoint: Endpoint) -> str:
    """Return what the path has in the place of the parameter of an endpoint."""
    text = endpoint.read_parameter(environ["PATH_INFO"])
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def make_reader(
    endpoint: Endpoint, action: EndpointMethod | None
) -> Callable[[Environ], Any] | None:
    """Return what reads path and query of a GET; None: it takes neither."""
    if action is None or action.method != "GET" or action.request is None:
        return None
    kind, is_strict = action.request, action.is_strict
    if not endpoint.parameter:
        read = make_query_reader(kind, is_strict=is_strict)
        return lambda environ: read(environ.get("QUERY_STRING") or "")
    read_path = make_path_reader(kind, endpoint.parameter, is_strict=is_strict)
    return lambda environ: read_path(
        read_parameter(environ, endpoint), environ.get("QUERY_STRING") or ""
    )


def decode_message(action: EndpointMethod, body: bytes, environ: Environ) -> Any:
    """Return the decoded body of a request, or of a form. Raises EndpointRefusedError."""
    if action.method == "GET" or action.request is None:
        return None
    if FORM_BODY in environ:
        body = environ[FORM_BODY]
    elif body:
        check_json(environ)
    if action.read is not None:
        return action.read(body, environ)
    return decode_body(body, action.request)


def refuse_query(query: str) -> None:
    """Raise EndpointRefusedError (400) for any query parameter, by its name."""
    _check_length(query)
    _refuse_unknown(_parse(query), ())


def _refuse_unknown(given: Iterable[str], known: Sequence[str]) -> None:
    """Raise EndpointRefusedError (400) that names what is not known."""
    for name in given:
        if name not in known:
            which = f"those here are {', '.join(known)}" if known else "there are none here"
            raise bad_request(f"{name[:40]!r}: there is no such query parameter; {which}.")


def _check_length(query: str) -> None:
    """Raise EndpointRefusedError (400) for a query that would take long to decode."""
    if len(query) > QUERY_READ_CHARS_MAX:
        raise bad_request(
            f"The query has at most {QUERY_READ_CHARS_MAX} characters, not {len(query)}."
        )


def _parse(query: str) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX, errors="replace"
        )
    except ValueError as error:
        raise bad_request(f"The query has more than {PARAMETERS_MAX} parameters.") from error
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    return texts


def _make_check(name: str, kind: inspect.Type) -> Callable[[str], Any]:
    """Return a function from the text of one parameter to the value of its field."""
    match kind:
        case inspect.IntType(ge=int(low)):
            return lambda text: check_number(name, text, low)
        case inspect.StrType(max_length=longest):
            what = "it" if longest is None else "a name"
            return lambda text: check_text(name, what, text)
    return str


def _read_one(name: str, texts: Texts) -> str:
    """
    Return a parameter that must be there exactly once.

    Raises EndpointRefusedError (400).
    """
    values = texts.get(name, ())
    if not values:
        raise bad_request(f"{name}: this query parameter is required.")
    if len(values) > 1:
        raise bad_request(f"{name}: this query parameter is given {len(values)} times.")
    return values[0]


def check_number(name: str, text: str, minimum: int = 0) -> int:
    """
    Return the whole number in a text, minimum..2**63-1.

    Raises EndpointRefusedError (400).
    """
    if not _is_digits(text) or not minimum <= int(text) <= ORDER_NO_MAX:
        raise bad_request(
            f"{name}: {text[:40]!r} is not a whole number from {minimum} to {ORDER_NO_MAX}."
        )
    return int(text)


def _is_digits(text: str) -> bool:
    """Tell whether a text is a plain decimal number that is not absurdly long."""
    return text.isascii() and text.isdigit() and len(text) <= _NUMBER_CHARS_MAX


def check_stock_name(name: str) -> str:
    """Return a name that a stock can have. Raises EndpointRefusedError (400)."""
    return check_text("stock_name", "a name", name)


def check_text(field: str, what: str, text: str) -> str:
    """
    Return a text that a stock's name may contain.

    Raises EndpointRefusedError (400).
    """
    if not text or text.isspace():
        raise bad_request(f"{field}: this may not be empty.")
    if len(text) > STOCK_NAME_CHARS_MAX:
        raise bad_request(
            f"{field}: {what} has at most {STOCK_NAME_CHARS_MAX} characters, not {len(text)}."
        )
    if "\0" in text:
        raise bad_request(f"{field}: {what} contains no null character.")
    return text
