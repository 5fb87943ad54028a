"""
Requests to checked messages: the query of a GET, the JSON body of a POST.

What a request may hold is said by a msgspec type. A request that does not fit is refused with one
sentence that names the field and what it must be.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Struct, inspect

from bazaar.core.types import ORDER_NO_MAX, STOCK_NAME_CHARS_MAX
from bazaar.web.endpoint import Environ

JSON = "application/json"
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
    length = environ.get("CONTENT_LENGTH") or "0"
    if length == "0":
        if "HTTP_TRANSFER_ENCODING" in environ:  # WSGI would read nothing: it would seem empty
            raise EndpointRefusedError(
                HTTPStatus.LENGTH_REQUIRED,
                "Send a Content-Length; a chunked body is not read.",
            )
        return b""
    if not _is_digits(length):
        raise bad_request("Content-Length: this is not a number of bytes.")
    if int(length) > bytes_max:
        raise EndpointRefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {bytes_max} bytes."
        )
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


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


def make_query_reader(kind: type[Struct]) -> Callable[[str], Any]:
    """
    Return a function that turns a query string into a message of a type.

    It raises EndpointRefusedError (400). Parameters that the type does not have are ignored.
    """
    told = inspect.type_info(kind)
    assert isinstance(told, inspect.StructType), "a query is a struct"
    checks = {one.encode_name: _make_check(one.encode_name, one.type) for one in told.fields}

    def read(query: str) -> Any:
        _check_length(query)
        texts = _parse(query)
        values = {name: check(_read_one(name, texts)) for name, check in checks.items()}
        try:
            return msgspec.convert(values, kind)
        except msgspec.ValidationError as error:
            raise bad_request(f"The query is not right: {error}.") from error

    if len(checks) > 1:
        return read
    ((only, check_only),) = checks.items()

    def read_single(query: str) -> Any:
        """Read what nearly every request looks like, and leave the others to `read`."""
        _check_length(query)
        name, _, text = query.partition("=")
        if name != only or "&" in text:
            return read(query)
        return kind(check_only(unquote_plus(text) if "%" in text or "+" in text else text))

    read_cached = lru_cache(QUERIES_CACHED_MAX)(read_single)
    return lambda query: (read_cached if len(query) <= QUERY_CHARS_MAX else read_single)(query)


def _check_length(query: str) -> None:
    """Raise EndpointRefusedError (400) for a query that would take long to decode."""
    if len(query) > QUERY_READ_CHARS_MAX:
        raise bad_request(
            f"The query has at most {QUERY_READ_CHARS_MAX} characters, not {len(query)}."
        )


def _parse(query: str) -> Texts:
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
