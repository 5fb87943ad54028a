"""A signature fits one request, one receiver, one secret and one minute."""

import hashlib

import pytest

from bazaar.protocol.signing import (
    SCHEME,
    VALID_S,
    SignatureError,
    digest_of,
    sign,
    verify,
)

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_800_000_000.9
TARGET = ("POST", "/trades?a=1")
BODY = b'{"term": 1}'
RECEIVER = "order-2"


def good() -> str:
    return sign(SECRET, RECEIVER, *TARGET, BODY, NOW_S)


def fault(header: str, late_s: float = 0, secret: bytes = SECRET) -> str:
    """Return what is wrong with a header."""
    with pytest.raises(SignatureError) as caught:
        verify(secret, header, *TARGET, NOW_S + late_s)
    return str(caught.value)


def test_a_good_signature_names_its_receiver_and_the_body() -> None:
    assert verify(SECRET, good(), *TARGET, NOW_S) == (RECEIVER, digest_of(BODY))


@pytest.mark.parametrize("late_s", [-VALID_S + 1, -1, 0, 1, VALID_S - 1])
def test_clocks_may_differ_a_little(late_s: float) -> None:
    assert verify(SECRET, good(), *TARGET, NOW_S + late_s)


@pytest.mark.parametrize("late_s", [-(VALID_S + 1), VALID_S + 1, -86_400, 86_400])
def test_an_old_or_early_signature_is_refused(late_s: float) -> None:
    assert "30 s away" in fault(good(), late_s)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/trades?a=1"),
        ("POST", "/trade?a=1"),
        ("POST", "/trades"),
        ("POST", "/trades?a=2"),
        ("POST", "/trades?a=1&"),
    ],
)
def test_a_signature_fits_one_target_only(method: str, path: str) -> None:
    with pytest.raises(SignatureError, match="does not fit"):
        verify(SECRET, good(), method, path, NOW_S)


@pytest.mark.parametrize(("old", "new"), [(RECEIVER, "order-3"), (digest_of(BODY), digest_of(b""))])
def test_receiver_and_digest_are_signed(old: str, new: str) -> None:
    assert "does not fit" in fault(good().replace(old, new))


@pytest.mark.parametrize("body", [b'{"term": 2}', b"", b'{"term": 1} '])
def test_every_body_has_its_digest(body: bytes) -> None:
    assert digest_of(body) == hashlib.sha256(body).hexdigest() != digest_of(BODY)


def test_a_line_break_moves_no_signed_field() -> None:
    """A decoded path may hold one; it must not pass for the end of the path."""
    moved = good().replace(RECEIVER, "x")
    with pytest.raises(SignatureError, match="does not fit"):
        verify(SECRET, moved, "POST", f"/trades?a=1\n{RECEIVER}", NOW_S)


def test_a_signature_needs_the_secret() -> None:
    assert "does not fit" in fault(good(), secret=SECRET[::-1])


def test_the_time_is_signed_too() -> None:
    stamp = str(int(NOW_S))
    moved = good().replace(stamp, str(int(NOW_S) + 5))
    assert "does not fit" in fault(moved)


@pytest.mark.parametrize(
    "header",
    [
        *("", "x", "Basic dXNlcjpwYXNz", SCHEME, f"{SCHEME} ", f"{SCHEME}    "),
        *(f"{SCHEME} {stamp} a b c" for stamp in ("x", "-1", "1.5", "\u0661", "\xb2", "9" * 5000)),
        *(f"{SCHEME.lower()} 1 a b c", f"{SCHEME} 1 a b", f"{SCHEME} 1 a b c d", f"{SCHEME} 1:00"),
    ],
)
def test_a_malformed_header_is_explained(header: str) -> None:
    assert SCHEME in fault(header)


@pytest.mark.parametrize("mac", ["", "00", "\xe9" * 64, "\ud800", "0" * 100_000])
def test_a_wrong_code_of_any_length_is_refused(mac: str) -> None:
    header = f"{SCHEME} {int(NOW_S)} {RECEIVER} {digest_of(BODY)} {mac}"
    assert "does not fit" in fault(header)


def test_a_code_is_refused_when_one_digit_differs() -> None:
    header = good()
    for at in range(len(header) - 64, len(header)):
        other = "0" if header[at] != "0" else "1"
        assert fault(header[:at] + other + header[at + 1 :])
