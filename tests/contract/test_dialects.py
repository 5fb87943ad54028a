"""Three dialects of one service: what each answers, and that each has one answer however asked."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
import pytest

from bazaar.clock import monotonic_s
from bazaar.core.types import Trade
from bazaar.protocol.http1 import Reply
from bazaar.runtime.metrics import BEGAN
from bazaar.web.dispatch import WholeAnswer
from bazaar.web.endpoint import Environ
from bazaar.web.router import Route
from catalog_app.models import Stock
from frontend_app import views
from frontend_app.dialects import COURSE, DIALECTS, SEED, V1, Dialect
from frontend_app.list_views import ORDERS_PATH
from tests.contract.conftest import Cluster
from tests.support.histories import STOCK
from tests.support.listeners import JSON, Listener

FRONT_END = Listener("bazaar.urls.frontend")
KEY = str(UUID(int=77))
ODD_NAMES = (
    "A. O. Smith",
    "A/B",
    "/",
    "A//B/",
    "50%2F50",
    "?x=1&y=2#z",
    "Ünï çode",
    ".",
    "..",
    "a+b",
)
PATHS = {SEED.name: "/orders", COURSE.name: "/orders", V1.name: ORDERS_PATH}


def call(method: str, target: str, body: Any = None, **headers: str) -> Reply:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return FRONT_END.call(method, target, content, {**(JSON if content else {}), **named})


def stock_target(dialect: Dialect, name: str = STOCK.name) -> str:
    path, is_in_path, _ = dialect.stock_path.partition("{")
    return path + (quote(name, safe="") if is_in_path else "?stock_name=" + quote(name, safe=""))


def order_target(dialect: Dialect, order_no: int = 1) -> str:
    path, is_in_path, _ = dialect.order_path.partition("{")
    return path + (str(order_no) if is_in_path else f"?order_no={order_no}")


def trade_body(dialect: Dialect, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(dialect.trade_example)
    name = "name" if dialect is COURSE else "stock_name"
    return {**body, name: STOCK.name, **changes}


def name_of(value: object) -> str:
    return str(getattr(value, "name", value))


in_every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=name_of)


# What each answers


@pytest.mark.usefixtures("cluster")
def test_a_stock_in_each_dialect() -> None:
    seed, course, v1 = (call("GET", stock_target(dialect)).body for dialect in DIALECTS)
    assert seed == b'{"stock_name":"MenhirCo","price":12.50,"trade_volume":2,"quantity":998}'
    assert course == b'{"data":{"name":"MenhirCo","price":12.50,"quantity":998}}'
    assert json.loads(v1) == {
        "stock_name": "MenhirCo",
        "price": "12.50",
        "quantity": 998,
        "trade_volume": 2,
        "version": 3,
    }


@pytest.mark.usefixtures("cluster")
def test_an_order_in_each_dialect() -> None:
    seed, course, v1 = (json.loads(call("GET", order_target(one)).body) for one in DIALECTS)
    shown = {"order_no": 1, "stock_name": STOCK.name, "trade_type": "buy", "quantity": 1}
    assert seed == {"data": shown}
    assert course == {"data": {"number": 1, "name": STOCK.name, "type": "buy", "quantity": 1}}
    assert v1 == {**shown, "idempotency_key": str(UUID(int=1)), "placed_by": None}


@pytest.mark.usefixtures("cluster")
def test_a_trade_in_each_dialect() -> None:
    seed, course, v1 = (
        call("POST", PATHS[dialect.name], trade_body(dialect, quantity=2), Idempotency_Key=key)
        for dialect, key in zip(DIALECTS, (KEY, str(UUID(int=78)), str(UUID(int=79))), strict=True)
    )
    assert (seed.status, seed.body) == (200, b'{"order_no":3}')
    assert (course.status, course.body) == (200, b'{"data":{"transaction_number":4}}')
    assert (v1.status, v1.headers["location"]) == (201, "/api/v1/orders/5")
    assert v1.headers["idempotency-key"] == str(UUID(int=79))
    assert v1.body == call("GET", v1.headers["location"]).body, "it is the order that was made"


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("dialect", "target", "shown"),
    [
        (SEED, "stock", {"error": {"code": 404, "message": "Stock not found"}}),
        (COURSE, "stock", {"error": {"code": 404, "message": "Stock not found"}}),
        (SEED, "order", {"error": {"code": 404, "message": "order not found"}}),
        (COURSE, "order", {"error": {"code": 404, "message": "order not found"}}),
        (SEED, "trade", {"order_no": -1, "message": "Stock not found"}),
        (COURSE, "trade", {"error": {"code": 404, "message": "Stock not found"}}),
    ],
    ids=name_of,
)
def test_what_is_not_there_in_the_older_dialects(
    dialect: Dialect, target: str, shown: dict[str, Any]
) -> None:
    unknown = {"name" if dialect is COURSE else "stock_name": "NoSuchCo"}
    reply = {
        "stock": lambda: call("GET", stock_target(dialect, "NoSuchCo")),
        "order": lambda: call("GET", order_target(dialect, 99)),
        "trade": lambda: call("POST", "/orders", trade_body(dialect, **unknown)),
    }[target]()
    assert (reply.status, json.loads(reply.body)) == (404, shown)


@pytest.mark.usefixtures("cluster")
@in_every_dialect
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_may_have_blanks_dots_slashes_and_signs(dialect: Dialect, name: str) -> None:
    Stock.objects.create(name=name, price="3.5", quantity=5, opening=5, issued=9)
    for _ in range(2):  # from the catalog, then from memory
        reply = call("GET", stock_target(dialect, name))
        shown = json.loads(reply.body)
        shown = shown.get("data", shown)
        assert (reply.status, shown.get("name", shown.get("stock_name"))) == (200, name)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("dialect", [COURSE, V1], ids=name_of)
def test_a_slash_in_a_path_may_stay_as_it_is(dialect: Dialect) -> None:
    Stock.objects.create(name="A/B", price="3.5", quantity=5, opening=5, issued=9)
    path = dialect.stock_path.partition("{")[0]
    call("GET", f"{path}A/B")
    plain, encoded = call("GET", f"{path}A/B"), call("GET", f"{path}A%2FB")
    assert (plain.status, plain) == (200, encoded)


# The dialect of a trade is that of its fields


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "fields",
    [
        {"stock_name": "MenhirCo", "type": "buy"},
        {"name": "MenhirCo", "trade_type": "buy"},
        {"stock_name": "MenhirCo", "trade_type": "buy", "name": "MenhirCo"},
        {"stock_name": "MenhirCo", "trade_type": "buy", "name": "MenhirCo", "type": "buy"},
        {"stock_name": 5, "type": None},
    ],
)
def test_a_body_that_mixes_two_dialects_is_refused_and_says_so(
    cluster: Cluster, fields: dict[str, Any]
) -> None:
    reply = call("POST", "/orders", {**fields, "quantity": 1})
    assert reply.status == 400
    assert json.loads(reply.body)["message"].startswith("The body mixes the fields of two dialects")
    assert cluster.shell.machine.head.order_no == 2


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("dialect", "changes", "said"),
    [
        (SEED, {"quantity": "1"}, "quantity: This must be a whole number."),
        (COURSE, {"quantity": "1"}, "quantity: This must be a whole number."),
        (COURSE, {"name": ""}, "name: this may not be empty."),
        (COURSE, {"type": "hold"}, 'type: "hold" is not a valid choice.'),
        (V1, {"trade_type": None}, "trade_type: This field may not be null."),
        (V1, {"stock_name": "a\0"}, "stock_name: a name contains no null character."),
        (V1, {"price": 3}, "'price': there is no such field"),
        (V1, {"name": "MenhirCo"}, "'name': there is no such field"),
    ],
)
def test_what_is_wrong_is_named_as_it_was_sent(
    dialect: Dialect, changes: dict[str, Any], said: str
) -> None:
    reply = call("POST", PATHS[dialect.name], trade_body(dialect, **changes))
    body = json.loads(reply.body)
    shown = body.get("error", body)
    assert reply.status == 400
    assert (shown.get("message") or shown["detail"]).startswith(said)
    assert ("order_no" in body, "error" in body, "type" in body) == (
        dialect is SEED,
        dialect is COURSE,
        dialect is V1,
    )


# One answer, however it is asked for (docs/adr/0037)


def environ_of(method: str, target: str, body: bytes = b"", **more: str) -> Environ:
    """Return a request as the servers hand it over."""
    seen: list[Environ] = []

    def keep(environ: Environ, start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    listener = Listener("bazaar.urls.frontend")
    object.__setattr__(listener, "router", keep)
    listener.call(method, target, body, JSON if body else {})
    return {**seen[0], BEGAN: monotonic_s(), **more}


def route_of(path: str, method: str = "GET") -> Route:
    (endpoint,) = (one for one in views.ENDPOINTS if one.path == path)
    return Route(endpoint, method)


def answers_of(route: Route, environ: Environ) -> dict[str, WholeAnswer | None]:
    """Return the answer from memory, that of a thread, and that of none."""
    admission, taken = route.admission, list[WholeAnswer]()
    ready = admission.answer_now(dict(environ)) if admission.answer_now else None
    waited = route.finish(route.perform(dict(environ)), monotonic_s(), environ)
    if admission.answer_later:
        admission.answer_later(dict(environ), taken.append)
    return {"ready": ready, "waited": waited, "later": taken[0] if taken else None}


def sorted_headers(answer: WholeAnswer) -> WholeAnswer:
    status, headers, body = answer
    return status, sorted(headers), body


@pytest.mark.usefixtures("cluster")
@in_every_dialect
@pytest.mark.parametrize("tag", ["", "*", '"other"'])
def test_a_stock_in_memory_has_one_answer_on_every_way(dialect: Dialect, tag: str) -> None:
    call("GET", stock_target(dialect))
    environ = environ_of("GET", stock_target(dialect))
    if tag:
        environ["HTTP_IF_NONE_MATCH"] = tag
    answers = answers_of(route_of(dialect.stock_path), environ)
    shown = {way: answer and sorted_headers(answer) for way, answer in answers.items()}
    assert shown["ready"], "it is answered by the thread that reads"
    assert shown["ready"] == shown["waited"] == shown["later"]
    assert shown["ready"][0] == ("304 Not Modified" if tag == "*" else "200 OK")


@pytest.mark.usefixtures("cluster")
@in_every_dialect
def test_a_stock_that_memory_has_not_has_one_answer_with_and_without_a_thread(
    dialect: Dialect, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = cluster.reader._reads
    monkeypatch.setattr(reads, "read_later", lambda loop, wanted, done: reads.read(wanted, done))
    environ, route = environ_of("GET", stock_target(dialect)), route_of(dialect.stock_path)
    waited = route.finish(route.perform(dict(environ)), monotonic_s(), environ)
    cluster.reader.remove(STOCK.name)
    taken: list[WholeAnswer] = []
    assert route.admission.answer_now, "a hit needs no thread"
    assert route.admission.answer_now(dict(environ)) is None
    assert route.admission.answer_later, "a miss needs none"
    route.admission.answer_later(dict(environ), taken.append)
    assert taken == [waited]


@pytest.mark.usefixtures("cluster")
@in_every_dialect
def test_an_order_in_memory_has_one_answer_on_both_ways(dialect: Dialect) -> None:
    call("GET", order_target(dialect))
    answers = answers_of(route_of(dialect.order_path), environ_of("GET", order_target(dialect)))
    assert answers["ready"], "it is answered by the thread that reads"
    assert answers["ready"] == answers["waited"]


@pytest.mark.usefixtures("cluster")
@in_every_dialect
@pytest.mark.parametrize("quantity", [1, 10**9])
def test_a_trade_has_one_answer_with_and_without_a_thread(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, quantity: int
) -> None:
    watch = cluster.watch

    def place_now(trade: Trade, began_s: float, done: Callable[..., None], loop: object) -> None:
        done(watch.place(trade, began_s))

    monkeypatch.setattr(watch, "place_later", place_now)
    body = json.dumps(trade_body(dialect, quantity=quantity)).encode()
    path, route = PATHS[dialect.name], route_of(PATHS[dialect.name], "POST")
    first = call("POST", path, trade_body(dialect, quantity=quantity), Idempotency_Key=KEY)
    taken: list[WholeAnswer] = []
    for _ in range(2):
        environ = environ_of("POST", path, body, HTTP_IDEMPOTENCY_KEY=KEY)
        waited = route.finish(route.perform(environ), monotonic_s(), environ)
    assert route.admission.answer_later, "no thread waits for it"
    environ = environ_of("POST", path, body, HTTP_IDEMPOTENCY_KEY=KEY)
    route.admission.answer_later(environ, taken.append)
    assert taken == [waited]
    assert (waited[0][:3], waited[2]) == (str(int(first.status)), first.body)


def test_every_row_of_the_table_is_served() -> None:
    paths = {one.path: one.allow for one in views.ENDPOINTS}
    for dialect in DIALECTS:
        assert dialect.stock_path in paths
        assert dialect.order_path in paths


@pytest.mark.usefixtures("cluster")
@in_every_dialect
def test_what_is_allowed_is_what_there_is(dialect: Dialect) -> None:
    """The headers that are made beforehand say the same as the endpoints."""
    paths = {one.path: one.allow for one in views.ENDPOINTS}
    assert call("GET", stock_target(dialect)).headers["allow"] == paths[dialect.stock_path]
    assert call("GET", order_target(dialect)).headers["allow"] == paths[dialect.order_path]
    posted = call("POST", PATHS[dialect.name], trade_body(dialect))
    assert posted.headers["allow"] == paths[PATHS[dialect.name]]
