"""The description of the API as an endpoint (docs/adr/0042)."""

import hashlib
from functools import cache

from msgspec import Struct

from bazaar.protocol.member_client import encode
from bazaar.web.endpoint import (
    Audience,
    Endpoint,
    Environ,
    Port,
    ReadyAnswer,
    get,
    with_index,
)
from frontend_app.api_operations import SCHEMA_PATH
from frontend_app.dialects import V1
from frontend_app.headers import READ_ONLY, answer_unless_known, length, standard_headers
from frontend_app.openapi import make_document

TAG_CHARS = 24
"""Of the hash of the description that are its tag."""


class SchemaQuery(Struct, frozen=True):
    """Nothing: there is one description."""


def make_schema_endpoint(endpoints: tuple[Endpoint, ...]) -> Endpoint:
    """Return the endpoint that describes these, itself, and the list of all."""

    @cache
    def describe() -> tuple[str, bytes]:
        served = with_index((*endpoints, endpoint), Port.SERVED, Audience.PUBLIC)
        body = encode(make_document(served))
        return f'"{hashlib.sha256(body).hexdigest()[:TAG_CHARS]}"', body

    def show_schema(query: SchemaQuery, environ: Environ) -> ReadyAnswer:
        """
        Describe this API as OpenAPI 3.1.

        GET answers the description, in JSON. `/api/docs/` shows it with Swagger UI, and
        `/api/docs/redoc/` with Redoc.
        """
        tag, body = describe()
        headers = [*standard_headers(READ_ONLY), ("ETag", tag), length(body)]
        return answer_unless_known(environ, tag, headers, body, None)

    action = get(
        show_schema,
        SchemaQuery,
        takes_environ=True,
        is_instant=True,
        is_strict=True,
        **V1.errors,
    )
    endpoint = Endpoint(SCHEMA_PATH, action, audience=Audience.PUBLIC)
    return endpoint
