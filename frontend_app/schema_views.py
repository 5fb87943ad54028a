"""The description of the API as an endpoint (docs/adr/0042)."""

from functools import cache
from importlib import import_module

from bazaar.protocol.codec import encode
from bazaar.web.endpoint import (
    Audience,
    Endpoint,
    Environ,
    Lane,
    Port,
    ReadyAnswer,
    with_index,
)
from frontend_app.dialects import NoQuery, get_v1
from frontend_app.headers import READ_ONLY, answer_unless_known, length, make_tag, standard_headers

SCHEMA_PATH = "/api/schema"


def make_schema_endpoint(endpoints: tuple[Endpoint, ...]) -> Endpoint:
    """Return the endpoint that describes these, itself, and the list of all."""

    @cache
    def describe() -> tuple[str, bytes]:
        served = with_index((*endpoints, endpoint), Port.SERVED, Audience.PUBLIC)
        body = encode(import_module("frontend_app.openapi").make_document(served))
        return make_tag(body), body

    def show_schema(query: NoQuery, environ: Environ) -> ReadyAnswer:
        """
        Describe this API as OpenAPI 3.1.

        GET answers the description, in JSON. `/api/docs/` shows it with Swagger UI, and
        `/api/docs/redoc/` with Redoc.
        """
        tag, body = describe()
        headers = [*standard_headers(READ_ONLY), ("ETag", tag), length(body)]
        return answer_unless_known(environ, tag, headers, body, None)

    action = get_v1(show_schema, NoQuery, lane=Lane.LOCAL, takes_environ=True)
    endpoint = Endpoint(SCHEMA_PATH, action, audience=Audience.PUBLIC)
    return endpoint
