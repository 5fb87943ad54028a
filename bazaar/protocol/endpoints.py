"""
What a listener's index (`GET /`) says of its endpoints, and forms of it.

The fields of a form are read from a valid example: its type says what may be entered, its values
what is there at first. A message that nests is one field, its JSON. `fill` is the way back, from
what was entered to a request; it checks nothing, because the endpoint does and says what is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import replace

from bazaar.core.types import ORDER_NO_MAX
from bazaar.protocol.messages import Message

BODY = "body"
"""The name of the one field of a message that nests."""
HEADER_CHARS_MAX = 200
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
_UNFIT = re.compile(r"[^ -~]")

Kind = Literal["text", "number", "choice", "json"]
Part = Literal["path", "query", "body", "header"]


class FieldBody(Message, frozen=True, kw_only=True):
    """One thing to enter."""

    name: str
    part: Part
    """Where in the request it goes."""
    kind: Kind = "text"
    example: str = ""
    hint: str = ""
    """What may be entered, in words."""
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    is_required: bool = True
    is_fresh: bool = False
    """Whether a form begins with a new UUID each time."""


class MethodBody(Message, frozen=True, kw_only=True):
    """One method of an endpoint."""

    method: str
    changes: bool
    """Whether something is different afterwards; a GET may, in the seed's dialect."""
    fields: tuple[FieldBody, ...] = ()


class EndpointBody(Message, frozen=True, kw_only=True):
    """One path of a listener."""

    path: str
    """It may end in a parameter: `/stocks/{name}`."""
    link: str = ""
    """The path with an example of the parameter."""
    description: str
    audience: str
    """Who may call it."""
    methods: tuple[MethodBody, ...]

    @property
    def is_nested(self) -> bool:
        """Whether its path has more than one segment; the dashboard relays no such path."""
        return self.path.count("/") > 1

    def method(self, name: str) -> MethodBody | None:
        """Return one of its methods."""
        return next((one for one in self.methods if one.method == name), None)


class IndexBody(Message, frozen=True, kw_only=True):
    """All of a listener."""

    endpoints: tuple[EndpointBody, ...]

    def endpoint(self, path: str) -> EndpointBody | None:
        """Return one of its endpoints."""
        return next((one for one in self.endpoints if one.path == path), None)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that was filled in, as a request carries it."""

    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def fields_of(example: Struct | None, part: Part) -> tuple[FieldBody, ...]:
    """Return the fields of a form for a message like the example."""
    if example is None:
        return ()
    told = inspect.type_info(type(example))
    assert isinstance(told, inspect.StructType), "an example is a struct"
    kinds = [_kind(required_type(one.type)) for one in told.fields]
    if part == "body" and "json" in kinds:
        text = msgspec.json.format(_encode(example)).decode()
        return (FieldBody(name=BODY, part=part, kind="json", example=text, hint="JSON"),)
    values = msgspec.to_builtins(example, builtin_types=())
    texts = (
        "" if (value := values.get(one.encode_name)) is None else str(value) for one in told.fields
    )
    return tuple(_field(one, text, part) for one, text in zip(told.fields, texts, strict=True))


def required_type(kind: inspect.Type) -> inspect.Type:
    """
    Return the type of a field without its description and without None.

    None says that the field may be left out.
    """
    if isinstance(kind, inspect.Metadata):
        return required_type(kind.type)
    if not isinstance(kind, inspect.UnionType):
        return kind
    (only,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
    return required_type(only)


def is_optional(kind: inspect.Type) -> bool:
    """Tell whether a field may be None, which says that it may be left out."""
    if isinstance(kind, inspect.Metadata):
        return is_optional(kind.type)
    return isinstance(kind, inspect.UnionType)


def _describe(kind: inspect.Type) -> str:
    schema = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str((schema or {}).get("description", ""))


def fill(method: MethodBody, texts: Mapping[str, str]) -> Filled:
    """
    Return the request that was entered in a form.

    A field without a text is left out; texts without a field are ignored.
    """
    given = [(one, texts[one.name]) for one in method.fields if one.name in texts]
    given = [(one, text) for one, text in given if text or one.is_required]
    query = urlencode([(one.name, text) for one, text in given if one.part == "query"])
    headers = {
        one.name: _UNFIT.sub("?", text)[:HEADER_CHARS_MAX]  # a line of its own must not get in
        for one, text in given
        if one.part == "header"
    }
    inside = [(one, text) for one, text in given if one.part == "body"]
    if not any(one.part == "body" for one in method.fields):
        return Filled(query, b"", headers)
    if inside and inside[0][0].kind == "json":
        return Filled(query, inside[0][1].encode("utf-8", "replace"), headers)
    body = _encode({one.name: _value(one, text) for one, text in inside})
    return Filled(query, body, headers)


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _value(one: FieldBody, text: str) -> msgspec.Raw | str:
    """Return a number as it was entered; what is none is for the endpoint to refuse."""
    is_number = one.kind == "number" and _NUMBER.fullmatch(text)
    return msgspec.Raw(text.encode()) if is_number else text.encode("utf-8", "replace").decode()


def _kind(kind: inspect.Type) -> Kind:
    match kind:
        case inspect.IntType() | inspect.FloatType() | inspect.DecimalType():
            return "number"
        case inspect.EnumType():
            return "choice"
        case inspect.StrType() | inspect.UUIDType():
            return "text"
    return "json"


def _field(one: inspect.Field, example: str, part: Part) -> FieldBody:
    kind = required_type(one.type)
    told = FieldBody(
        name=one.encode_name,
        part=part,
        kind=_kind(kind),
        example=example,
        hint=_describe(one.type) or _hint(kind),
        is_required=bool(example) and not is_optional(one.type),
    )
    match kind:
        case inspect.IntType(ge=low, le=high):
            return replace(told, minimum=low, maximum=high)
        case inspect.EnumType(cls=choices):
            assert issubclass(choices, Enum), "a choice is an enum"
            values = tuple(str(choice.value) for choice in choices)
            return replace(told, choices=values if told.is_required else ("", *values))
    return told


def _hint(kind: inspect.Type) -> str:
    match kind:
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low}" + ("" if high == ORDER_NO_MAX else f" to {high}")
        case inspect.StrType(max_length=int(longest)):
            return f"1 to {longest} characters"
        case inspect.UUIDType():
            return "a UUID"
        case inspect.DecimalType():
            return "a number"
    return ""
