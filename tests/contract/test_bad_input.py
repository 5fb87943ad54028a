"""Whatever is sent to whichever endpoint: a 4xx with a sentence, never 5xx, nothing changed."""

import pytest

from tests.contract import bad_values
from tests.contract.conftest import Cluster
from tests.contract.examples import EXAMPLES, POSTS, QUERIES, Example
from tests.contract.refusals import REFUSED, Sent, complaints, message_of, snapshot
from tests.support.listeners import JSON, Listener
from tests.support.routes import list_routes

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW", "get", "X" * 5000)


def check(example: Example, requests: list[Sent]) -> None:
    """Every one of these is refused and leaves every table as it was."""
    before = snapshot()
    found = complaints(example.urlconf, requests, is_signed=not example.is_public)
    assert not found, "\n".join(found)
    assert snapshot() == before


def name_of(value: object) -> str:
    return str(value)


def test_every_endpoint_has_an_example() -> None:
    served = {
        (route.urlconf, route.path, method) for route in list_routes() for method in route.methods
    }
    assert {(one.urlconf, one.path, one.method) for one in EXAMPLES} == served


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_every_example_is_answered(example: Example) -> None:
    """Otherwise a bad request would be refused for another reason than the one tested."""
    listener = Listener(example.urlconf)
    call = listener.call if example.is_public else listener.call_signed
    reply = call(example.method, example.target, example.content, JSON if example.body else {})
    assert reply.status in (200, 201), reply.body
    kind = "text/plain" if example.path == "/metrics" else "application/json"
    assert reply.headers["content-type"].partition(";")[0] in (kind, "text/html")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("example", POSTS, ids=name_of)
def test_a_bad_field_is_refused(example: Example) -> None:
    bodies: list[bytes] = []
    for place, kind in example.kinds.items():
        bodies += example.contents_with(place, bad_values.JSON[kind])
        if place != "page.orders.0":  # without it, it is a heartbeat
            bodies.append(example.content_without(place))
    if example.path == "/sync":  # its term counts once the leader confirmed it, whatever it sends
        Listener(example.urlconf).call_signed("POST", example.target, example.content, JSON)
    check(example, [("POST", example.target, body, JSON) for body in bodies])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("example", POSTS, ids=name_of)
def test_a_bad_body_or_head_is_refused(example: Example) -> None:
    bodies = [
        *bad_values.BODIES.values(),
        example.content + b"x",
        example.content + example.content,
        b"\xef\xbb\xbf" + example.content,
        example.content[:-1],
    ]
    content_types = [{"Content-Type": one} for one in bad_values.CONTENT_TYPES]
    lengths = ("\xb2", "9" * 5000, "-1", "x", "", " 5", "1.5", "0")
    heads = [*content_types, {}, *({**JSON, "Content-Length": length} for length in lengths)]
    sent: list[Sent] = [("POST", example.target, body, JSON) for body in bodies]
    check(example, [*sent, *(("POST", example.target, example.content, head) for head in heads)])


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(example: Example) -> None:
    reply = Listener(example.urlconf).call(example.method, example.target, bad_values.HUGE, JSON)
    assert (reply.status, bool(message_of(reply))) == (413, True)


@pytest.mark.parametrize("example", POSTS, ids=name_of)
def test_a_body_in_pieces_is_not_taken_for_an_empty_one(example: Example) -> None:
    """The control port's server puts the pieces together; the served port's does not."""
    headers = {**JSON, "Transfer-Encoding": "chunked", "Content-Length": ""}
    reply = Listener(example.urlconf).call("POST", example.target, example.content, headers)
    assert (reply.status, "Content-Length" in message_of(reply)) == (411, True)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("place", ["stock_name", "trade_type", "quantity"])
def test_no_depth_of_nesting_breaks_the_public_endpoint(place: str) -> None:
    """The other endpoints decode into types and never hold such a value."""
    for example in (one for one in POSTS if one.is_public):
        bodies = example.contents_with(place, bad_values.NESTED)
        check(example, [("POST", example.target, body, JSON) for body in bodies])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("example", QUERIES, ids=name_of)
def test_a_bad_query_is_refused(example: Example) -> None:
    targets = [f"{example.target}&{'a=1&' * 2000}"]
    for name, kind in example.kinds.items():
        good = example.query[name]
        targets += example.targets_with(name, bad_values.QUERY[kind])
        targets += example.targets_with(name, [f"{good}&{name}={good}", f"{good}&{name}="])
        if not example.is_optional(name):
            targets += [
                example.target.replace(name, f"x{name}"),
                example.target.replace(name, name.upper()),
                example.link,
            ]
    check(example, [("GET", target, b"", {}) for target in targets])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("route", list_routes(), ids=name_of)
def test_an_unknown_method_is_refused(route: object) -> None:
    example = next(
        one
        for one in EXAMPLES
        if f"{one.urlconf.removeprefix('bazaar.urls.')} {one.path}" == str(route)
    )
    served = {one.method for one in EXAMPLES if (one.urlconf, one.path) == _place(example)}
    methods = [method for method in METHODS if method.upper() not in served]
    check(example, [(method, example.link, b"", {}) for method in methods])
    check(example, [(method, example.target, example.content, JSON) for method in methods])


def _place(example: Example) -> tuple[str, str]:
    return example.urlconf, example.path


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("urlconf", sorted({route.urlconf for route in list_routes()}))
@pytest.mark.parametrize("is_signed", [True, False])
def test_an_unknown_path_is_refused(urlconf: str, *, is_signed: bool) -> None:
    paths = [
        *("/nope", "/stocks//", "/%FF", "/query%0A", "/st%00ocks", "//", "/../etc/passwd"),
        *("/STOCKS", "/Query", "/" + "x" * 50_000, "/stocks/1", "/query/1", "/%C3%A9", "/sync%20"),
    ]
    sent: list[Sent] = [
        (method, path, body, JSON)
        for path in paths
        for method, body in (("GET", b""), ("POST", b"{}"), ("BREW", b""))
    ]
    assert not complaints(urlconf, sent, is_signed=is_signed)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_a_browser_gets_a_page_for_a_refusal_too(example: Example) -> None:
    listener = Listener(example.urlconf)
    for call in (listener.call, listener.call_signed):
        for target, body in ((example.link, b"{"), (example.target, b"[]"), (example.target, b"")):
            headers = {**JSON, "Accept": "text/html,*/*;q=0.8"}
            assert call("POST", target, body, headers).status in REFUSED | {200}


def test_nothing_was_forgotten(cluster: Cluster) -> None:
    """Every kind of field in the examples has bad values, and the cluster is what they expect."""
    kinds = {kind for example in EXAMPLES for kind in example.kinds.values()}
    assert kinds == bad_values.JSON.keys() | bad_values.QUERY.keys()
    assert cluster.shell.machine.last == 2
