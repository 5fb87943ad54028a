"""The description of the API: true, valid, committed, and nothing released goes away."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml
from drf_spectacular.validation import validate_schema

from bazaar.web.endpoint import Audience
from bazaar.web.errors import MISTAKE
from bazaar.web.problems import list_kinds
from frontend_app.api_operations import OPERATIONS
from frontend_app.schema_views import SCHEMA_PATH
from tests.contract.openapi import COMMITTED, RELEASED, Document, fetch_document, list_promises
from tests.support.listeners import Listener
from tests.support.routes import list_routes

HOST = {"Host": "localhost"}
FRONT_END = Listener("bazaar.urls.frontend")


@pytest.fixture(scope="module")
def document() -> Document:
    """Return the description as it is answered."""
    return fetch_document()


def test_the_committed_description_is_that_of_the_code(document: Document) -> None:
    """`make schema` writes it anew."""
    assert yaml.safe_load(COMMITTED.read_text("utf-8")) == document


def test_it_is_not_made_in_the_thread_that_reads() -> None:
    """That takes as long as hundreds of answers."""
    routes = list_routes(("bazaar.urls.frontend",))
    endpoint = next(one.endpoint for one in routes if one.path == SCHEMA_PATH)
    assert not any(action.is_instant for action in endpoint.actions)


def test_it_is_valid_openapi(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    validate_schema(document)  # type: ignore[no-untyped-call]


def test_everything_that_is_referred_to_is_there(document: Document) -> None:
    used = set(re.findall(r'"\$ref": ?"#/([^"]+)"', json.dumps(document)))
    parts = {
        f"components/{kind}/{name}"
        for kind, named in document["components"].items()
        for name in named
        if kind != "securitySchemes"
    }
    assert used == parts, "and nothing else"


def test_every_public_method_of_the_front_end_is_described(document: Document) -> None:
    public = [
        one
        for one in list_routes(("bazaar.urls.frontend",))
        if one.endpoint.audience is Audience.PUBLIC
    ]
    served = {(method, one.path) for one in public for method in one.methods}
    assert served == set(OPERATIONS)
    assert set(document["paths"]) == {one.path for one in public}
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))


def test_every_kind_of_error_but_three_is_an_example_somewhere(document: Document) -> None:
    """A path that is not there, or a method, has no description; front ends have no database."""
    shown = {name.partition("_")[2] for name in document["components"]["examples"]}
    assert set(list_kinds()) - shown == {"method_not_allowed", "database_failed"}


def test_examples_of_errors_say_what_answers_say(document: Document) -> None:
    shown = document["components"]["examples"]
    assert shown["object_mistake"]["value"]["error"]["message"] == MISTAKE.message
    assert shown["trade_mistake"]["value"]["message"] == MISTAKE.message
    assert shown["problem_mistake"]["value"]["detail"] == MISTAKE.message
    assert shown["problem_overstock"]["value"]["status"] == 409


def test_nothing_that_was_released_went_away(document: Document) -> None:
    """`make schema ARGS=--release` adds what is new; nothing takes away."""
    released = set(RELEASED.read_text("utf-8").splitlines())
    assert sorted(released - list_promises(document)) == []


def _drop_path(document: Any) -> None:
    del document["paths"]["/leader"]


def _drop_status(document: Any) -> None:
    del document["paths"]["/api/v1/orders"]["post"]["responses"]["409"]


def _drop_field(document: Any) -> None:
    del document["components"]["schemas"]["StockView"]["properties"]["price"]


def _change_type(document: Any) -> None:
    document["components"]["schemas"]["StockView"]["properties"]["price"]["type"] = "number"


def _demand_a_field(document: Any) -> None:
    document["components"]["schemas"]["StrictTradeRequest"]["required"].append("more")


def _drop_header(document: Any) -> None:
    del document["paths"]["/api/v1/orders"]["post"]["responses"]["201"]["headers"]["Location"]


@pytest.mark.parametrize(
    "change",
    [_drop_path, _drop_status, _drop_field, _change_type, _demand_a_field, _drop_header],
)
def test_what_goes_away_is_seen(document: Document, change: Callable[[Any], None]) -> None:
    changed = deepcopy(document)
    change(changed)
    assert list_promises(document) - list_promises(changed)


def test_what_is_new_breaks_nothing(document: Document) -> None:
    changed = deepcopy(document)
    changed["paths"]["/new"] = {"get": {"responses": {"200": {"description": "OK"}}}}
    changed["components"]["schemas"]["StockView"]["properties"]["new"] = {"type": "string"}
    assert list_promises(document) < list_promises(changed)


def test_a_client_that_has_the_description_is_told_so() -> None:
    first = FRONT_END.call("GET", "/api/schema", headers=HOST)
    known = {**HOST, "If-None-Match": first.headers["etag"]}
    again = FRONT_END.call("GET", "/api/schema", headers=known)
    assert (first.status, again.status, again.body) == (200, 304, b"")


@pytest.mark.parametrize("target", ["/api/docs/", "/api/docs", "/api/docs/redoc/"])
def test_the_pages_allow_no_inline_script_and_nothing_from_elsewhere(target: str) -> None:
    reply = FRONT_END.call("GET", target, headers=HOST)
    assert reply.status == 200
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = reply.body.decode()
    assert "http" not in page
    assert "<script>" not in page
    assert "<style" not in page
    assert 'data-schema="/api/schema"' in page
