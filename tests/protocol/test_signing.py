"""A signature fits one request, one secret and one minute."""

import pytest

from bazaar.protocol.signing import SCHEME, VALID_S, fault, sign

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_800_000_000.9
REQUEST = ("POST", "/trades?a=1", b'{"term": 1}')


def good() -> str:
    return sign(SECRET, *REQUEST, NOW_S)


def test_a_good_signature_has_no_fault() -> None:
    assert fault(SECRET, good(), *REQUEST, NOW_S) == ""


@pytest.mark.parametrize("late_s", [-VALID_S + 1, -1, 0, 1, VALID_S - 1])
def test_clocks_may_differ_a_little(late_s: float) -> None:
    assert fault(SECRET, good(), *REQUEST, NOW_S + late_s) == ""


@pytest.mark.parametrize("late_s", [-(VALID_S + 1), VALID_S + 1, -86_400, 86_400])
def test_an_old_or_early_signature_is_refused(late_s: float) -> None:
    assert "30 s away" in fault(SECRET, good(), *REQUEST, NOW_S + late_s)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/trades?a=1", b'{"term": 1}'),
        ("POST", "/trade?a=1", b'{"term": 1}'),
        ("POST", "/trades", b'{"term": 1}'),
        ("POST", "/trades?a=2", b'{"term": 1}'),
        ("POST", "/trades?a=1&", b'{"term": 1}'),
        ("POST", "/trades?a=1", b'{"term": 2}'),
        ("POST", "/trades?a=1", b""),
        ("POST", "/trades?a=1", b'{"term": 1} '),
    ],
)
def test_a_signature_fits_one_request_only(method: str, path: str, body: bytes) -> None:
    assert "does not fit" in fault(SECRET, good(), method, path, body, NOW_S)


def test_a_signature_needs_the_secret() -> None:
    assert "does not fit" in fault(SECRET[::-1], good(), *REQUEST, NOW_S)


def test_the_time_is_signed_too() -> None:
    stamp = str(int(NOW_S))
    moved = good().replace(stamp, str(int(NOW_S) + 5))
    assert "does not fit" in fault(SECRET, moved, *REQUEST, NOW_S)


@pytest.mark.parametrize(
    "header",
    [
        *("", "x", "Basic dXNlcjpwYXNz", SCHEME, f"{SCHEME} ", f"{SCHEME} :", f"{SCHEME} x:00"),
        *(f"{SCHEME} -1:00", f"{SCHEME} 1.5:00", f"{SCHEME} \u0661:00", f"{SCHEME} \xb2:00"),
        *(f"{SCHEME} {'9' * 5000}:00", f"{SCHEME.lower()} 1800000000:00"),
    ],
)
def test_a_malformed_header_is_explained(header: str) -> None:
    assert SCHEME in fault(SECRET, header, *REQUEST, NOW_S)


@pytest.mark.parametrize("mac", ["", "00", "\xe9" * 64, "\ud800", "0" * 100_000])
def test_a_wrong_code_of_any_length_is_refused(mac: str) -> None:
    header = f"{SCHEME} {int(NOW_S)}:{mac}"
    assert "does not fit" in fault(SECRET, header, *REQUEST, NOW_S)


def test_a_code_is_refused_when_one_digit_differs() -> None:
    header = good()
    for at in range(len(header) - 64, len(header)):
        other = "0" if header[at] != "0" else "1"
        assert fault(SECRET, header[:at] + other + header[at + 1 :], *REQUEST, NOW_S)
