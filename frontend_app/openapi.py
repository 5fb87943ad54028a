"""
The OpenAPI 3.1 description of the public API (docs/adr/0042).

It is made of the table of endpoints.
The requests are described by the endpoints' own types, which also decode them; the answers and the
kinds of errors by `api_operations`. A public endpoint without an operation is a KeyError.
"""

from collections.abc import Iterable, Mapping
from http import HTTPMethod, HTTPStatus
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import Struct

from bazaar.core.types import STOCK_NAME_CHARS_MAX
from bazaar.protocol.codec import encode
from bazaar.protocol.endpoints import EndpointBody
from bazaar.web.endpoint import JSON, Audience, Endpoint, EndpointMethod
from bazaar.web.problems import Problem
from frontend_app.api_errors import (
    REF,
    Document,
    ErrorShape,
    describe_errors,
    describe_shared_errors,
    list_operations,
    refer,
    refer_to_headers,
    shape_of,
    show_errors,
)
from frontend_app.api_operations import EVERYWHERE, OPERATIONS, ApiOperation
from frontend_app.api_parts import (
    HEADERS,
    REQUEST_HEADERS,
    REQUEST_ID_HEADER,
    ErrorAnswer,
    FailedTrade,
)
from frontend_app.dialects import DIALECTS
from frontend_app.trade_requests import SEED_NAMES, CourseTradeRequest, TradeRequest

VERSION = "1.1.0"
"""Of the description: greater when something is added."""
_DESCRIPTION = """A bazaar of stocks, in three dialects. New programs use v1.

Reads need no token. A trade needs one with the scope `trade` where the front end asks for it.

Every answer has `X-Request-ID`, that of the request or a new one, by which its way can be found in
logs and traces; `traceparent` (W3C) is taken, too."""
_TAGS = {
    "v1": "The dialect for new programs.",
    "seed": "The dialect of the first version.",
    "course": "The dialect of the course lab.",
    "seed, course": "One path for both: the names of the body's fields decide.",
    "about": "What this port serves, and what its errors mean.",
}
_NAME = r"^[^\x00]*[^\s\x00\x1c-\x1f\x85][^\x00]*$"
"""A name, or a part of it: not only blanks, and no null character."""
_UNKNOWN_PARAMETERS_IGNORED = "Query parameters that are not listed are ignored."


def make_document(endpoints: Iterable[Endpoint]) -> Document:
    """Return the description of the public endpoints among these."""
    public = [one for one in endpoints if one.audience is Audience.PUBLIC]
    kinds = dict.fromkeys(_kinds_of_schemas(public))
    _, components = msgspec.json.schema_components(kinds, ref_template=REF)
    schemas = {name: _tidy(schema) for name, schema in sorted(components.items())}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bazaar", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {one.path: _describe_path(one) for one in public},
        "components": {
            "schemas": schemas,
            "examples": show_errors(public),
            "responses": describe_shared_errors(public),
            "headers": HEADERS,
            "parameters": REQUEST_HEADERS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token (`manage.py token create NAME`).",
                }
            },
        },
    }


def _kinds_of_schemas(endpoints: Iterable[Endpoint]) -> Iterable[Any]:
    yield from (Problem, ErrorAnswer, FailedTrade, EndpointBody, TradeRequest, CourseTradeRequest)
    for action, operation in list_operations(endpoints):
        yield from operation.answers
        if action.method == HTTPMethod.POST and action.request is not None:
            yield action.request


def _tidy(schema: Any) -> Any:
    """Return a schema without titles, which say nothing, and with decimals as numbers."""
    if isinstance(schema, Mapping):
        if schema.get("format") == "decimal":  # `encode` writes them so
            rest = {name: value for name, value in schema.items() if name != "format"}
            return {**rest, "type": "number"}
        if schema.get("maxLength") == STOCK_NAME_CHARS_MAX:  # as `decoding.check_text` takes it
            is_needed = schema.get("minLength", 0) > 0
            schema = {**schema, "pattern": _NAME if is_needed else f"{_NAME}|^$"}
        return {
            name: _tidy(value)
            for name, value in schema.items()
            if not (name == "title" and isinstance(value, str))
        }
    return [_tidy(one) for one in schema] if isinstance(schema, list) else schema


def _describe_path(endpoint: Endpoint) -> Document:
    described: Document = {}
    for action in endpoint.actions:
        operation = OPERATIONS[action.method, endpoint.path]
        described[action.method.lower()] = _describe(endpoint, action, operation)
        if action.method == HTTPMethod.GET:
            described["head"] = _describe_head(endpoint, action, operation)
    described["options"] = _describe_options(endpoint)
    return described


def _describe(endpoint: Endpoint, action: EndpointMethod, operation: ApiOperation) -> Document:
    doc = action.doc or getdoc(action.handler) or ""
    summary, _, rest = doc.partition("\n\n")
    if action.request is not None and action.method == HTTPMethod.GET and not action.is_strict:
        rest = f"{rest}\n\n{_UNKNOWN_PARAMETERS_IGNORED}"
    described: Document = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": summary.removesuffix("."),
        "description": rest,
        "parameters": [*_parameters(endpoint, action), *_refer_to_parameters(operation)],
        "security": [{}, {"token": []}],
    }
    if action.method == HTTPMethod.POST:
        described["requestBody"] = _request_body(action, operation)
    described["responses"] = _responses(endpoint, action, operation)
    return described


def _describe_head(endpoint: Endpoint, action: EndpointMethod, operation: ApiOperation) -> Document:
    """Describe the HEAD of a GET: the same without bodies."""
    shown = _describe(endpoint, action, operation)
    bare = {
        status: {name: value for name, value in answer.items() if name != "content"}
        for status, answer in shown["responses"].items()
        if int(status) < HTTPStatus.BAD_REQUEST
    }
    return {
        **shown,
        "operationId": f"{operation.operation_id}_head",
        "summary": f"{shown['summary']}: only the headers",
        "description": "As GET, without a body.",
        "responses": {**bare, "default": {"description": "As GET."}},
    }


def _describe_options(endpoint: Endpoint) -> Document:
    first = OPERATIONS[endpoint.actions[0].method, endpoint.path]
    return {
        "operationId": f"{OPERATIONS['GET', endpoint.path].operation_id}_options",
        "tags": [first.tag],
        "summary": "Say what the path does and takes",
        "parameters": [
            {**one, "schema": {"type": "string", "minLength": 1}}
            for one in _parameters(endpoint, endpoint.actions[0])
            if one["in"] == "path"
        ],
        "security": [{}, {"token": []}],
        "responses": {
            "200": {
                "description": "The endpoint, as `GET /` lists it.",
                "headers": refer_to_headers(("Allow", "Vary", REQUEST_ID_HEADER)),
                "content": {JSON: {"schema": refer("EndpointBody")}},
            },
            **describe_errors(endpoint.actions[0], first, EVERYWHERE),
        },
    }


def _parameters(endpoint: Endpoint, action: EndpointMethod) -> list[Document]:
    """Return the parameters in path and query, as the request's type has them."""
    if action.request is None or action.method != HTTPMethod.GET:
        return []
    schema = _schema_of(action.request)
    return [
        {
            "name": name,
            "in": "path" if name == endpoint.parameter else "query",
            "required": not _is_optional(one),
            **({"description": one["description"]} if "description" in one else {}),
            "schema": _parameter_schema(one),
        }
        for name, one in schema["properties"].items()
    ]


def _is_optional(schema: Document) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _parameter_schema(schema: Document) -> Document:
    """
    Return the schema of a parameter.

    One that may be null may be left out, or be empty. A default is an example.
    """
    kept = {name: value for name, value in schema.items() if name not in ("description", "anyOf")}
    if _is_optional(schema):
        (inner,) = (one for one in schema["anyOf"] if one != {"type": "null"})
        is_text = "maxLength" in inner
        kept |= inner if is_text else {"anyOf": [inner, {"const": ""}]}
    default = kept.pop("default", None)
    return kept if default is None else {**kept, "examples": [default]}


def _schema_of(kind: type[Struct]) -> Document:
    """Return the schema of a request with nothing referred to."""
    (_,), components = msgspec.json.schema_components([kind], ref_template="{name}")

    def resolve(schema: Any) -> Any:
        if isinstance(schema, Mapping):
            if "$ref" in schema:
                rest = {name: value for name, value in schema.items() if name != "$ref"}
                return {**resolve(components[schema["$ref"]]), **rest}
            return {name: resolve(value) for name, value in schema.items()}
        return [resolve(one) for one in schema] if isinstance(schema, list) else schema

    found: Document = _tidy(resolve(components[kind.__name__]))
    return found


def _refer_to_parameters(operation: ApiOperation) -> list[Document]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in operation.request_headers]


def _request_body(action: EndpointMethod, operation: ApiOperation) -> Document:
    if shape_of(action) is ErrorShape.TRADE:
        seed = {**refer(TradeRequest.__name__), **_without("name", "type")}
        course = refer(CourseTradeRequest.__name__)
        course |= _without(*SEED_NAMES[:2])
        schema: Document = {"oneOf": [seed, course]}
        shown = {one.name: {"value": _plain(one.trade_example)} for one in DIALECTS[:2]}
    else:
        assert action.request is not None, "a POST has a body"
        schema = refer(action.request.__name__)
        shown = {"buy": {"value": _plain(action.example)}}
    return {"required": True, "content": {JSON: {"schema": schema, "examples": shown}}}


def _without(*names: str) -> Document:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def _plain(message: Any) -> Any:
    """Return a message as JSON has it."""
    return msgspec.json.decode(encode(message))


def _responses(endpoint: Endpoint, action: EndpointMethod, operation: ApiOperation) -> Document:
    good = operation.status
    always = ("Vary", "Allow", "Cache-Control", REQUEST_ID_HEADER)
    found: Document = {
        str(good.value): {
            "description": good.phrase,
            "headers": refer_to_headers((*always, *operation.headers)),
            "content": {JSON: _content(operation)},
        }
    }
    if operation.has_tag:
        kept = [name for name in operation.headers if name != "Warning"]
        found["304"] = {
            "description": "The client has it already: it named the tag in `If-None-Match`.",
            "headers": refer_to_headers((*always, *kept)),
        }
    errors = describe_errors(action, operation, EVERYWHERE | operation.kinds)
    return dict(sorted({**found, **errors}.items()))


def _content(operation: ApiOperation) -> Document:
    if not operation.answers:
        return {"schema": {"type": "object"}}
    refs = [refer(kind.__name__) for kind in operation.answers]
    schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
    examples = {name: {"value": _plain(value)} for name, value in operation.examples.items()}
    return {"schema": schema, "examples": examples}
