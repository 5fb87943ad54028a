"""Long heads cost the reading thread little: what no endpoint has is not decoded (I10)."""

import pytest
from django.conf import settings

from bazaar.protocol.examples import NameQuery, PageQuery
from bazaar.protocol.http1 import ParsedRequest
from bazaar.web.decoding import (
    CONTENT_TYPE_CHARS_MAX,
    QUERY_READ_CHARS_MAX,
    UNKNOWN,
    EndpointRefusedError,
    make_query_reader,
    tame_content_type,
)
from bazaar.web.origin import HOST_CHARS_MAX, HostCheck
from bazaar.web.wsgi_environ import PATH_DECODED_BYTES_MAX, read_environ
from frontend_app.headers import DIRECTIVES_MAX, wants_fresh


def test_a_path_longer_than_any_of_ours_is_not_decoded() -> None:
    for count, letter in ((PATH_DECODED_BYTES_MAX // 3, "A"), (PATH_DECODED_BYTES_MAX, "%41")):
        environ = read_environ(
            ParsedRequest(method="GET", target=b"/" + b"%41" * count + b"?a=%41")
        )
        assert environ["PATH_INFO"] == "/" + letter * count
        assert environ["QUERY_STRING"] == "a=%41"


@pytest.mark.parametrize("kind", [NameQuery, PageQuery])
@pytest.mark.parametrize(
    "query", ["stock_name=" + "%41" * 2000, "after=0&limit=1&" + "a=1&" * 2000]
)
def test_a_query_longer_than_any_of_ours_is_refused(kind: type, query: str) -> None:
    with pytest.raises(EndpointRefusedError) as refused:
        make_query_reader(kind)(query)
    assert f"at most {QUERY_READ_CHARS_MAX} characters, not {len(query)}" in refused.value.message


def test_the_longest_name_is_read() -> None:
    assert make_query_reader(NameQuery)("stock_name=" + "%F0%9F%8D%8E" * 200).stock_name


def test_a_host_longer_than_any_is_refused() -> None:
    check = HostCheck(settings.ALLOWED_HOSTS)
    check.check({"HTTP_HOST": "localhost:" + "1" * (HOST_CHARS_MAX - 10)})
    with pytest.raises(EndpointRefusedError, match="Host"):
        check.check({"HTTP_HOST": "localhost:" + "1" * HOST_CHARS_MAX})


def test_a_content_type_longer_than_any_is_an_unknown_one() -> None:
    environ = {"CONTENT_TYPE": "application/json;" + " " * CONTENT_TYPE_CHARS_MAX}
    tame_content_type(environ)
    assert environ["CONTENT_TYPE"] == UNKNOWN


def test_only_the_first_directives_are_looked_at() -> None:
    few, many = "a," * (DIRECTIVES_MAX - 1), "a," * (DIRECTIVES_MAX + 1)
    assert wants_fresh({"HTTP_CACHE_CONTROL": few + "no-cache"})
    assert not wants_fresh({"HTTP_CACHE_CONTROL": many + "no-cache"})
