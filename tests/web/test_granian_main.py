"""What granian is given to listen at."""

import pytest

from bazaar.web.granian_main import resolve


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_stays_as_it_is(host: str) -> None:
    assert resolve(host, 1) == host


def test_a_name_becomes_an_address() -> None:
    assert resolve("localhost", 1) in ("127.0.0.1", "::1")
