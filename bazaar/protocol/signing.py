"""
Signed requests: members know the cluster secret (RFC 2104, HMAC-SHA256).

Signed are the method, the path with its query, the receiver, the digest of the body and the time.
The header carries the digest, so a reader can check the head of a request before its body comes. A
receiver is named like its process (`order-2`), and a lease holder by the address that it
registered. A signature is good for 30 s either way, so a recorded request soon dies; until then
only its receiver takes it, and every message inside the cluster may arrive twice (I2). Left out:
secrecy, which is for `tls`, or a private network.
"""

import hashlib
import hmac

SCHEME = "Bazaar-HMAC-SHA256"
VALID_S = 30
"""How far the signer's clock may be from the reader's, in seconds."""
_STAMP_CHARS_MAX = 20
_HEADER_PARTS = 5
_EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()


class SignatureError(Exception):
    """An Authorization header does not fit its request; the message says why."""


def digest_of(body: bytes) -> str:
    """Return the SHA-256 of a body in lower-case hex."""
    return hashlib.sha256(body).hexdigest() if body else _EMPTY_DIGEST


def sign(secret: bytes, receiver: str, method: str, path: str, body: bytes, now_s: float) -> str:
    """
    Return the Authorization header of a request.

    receiver: the name of the process that may take it. path: with its query.
    """
    stamp, digest = str(int(now_s)), digest_of(body)
    mac = _mac(secret, f"{method}\n{path}\n{receiver}\n{digest}\n{stamp}")
    return f"{SCHEME} {stamp} {receiver} {digest} {mac}"


def verify(secret: bytes, header: str, method: str, path: str, now_s: float) -> tuple[str, str]:
    """
    Return the receiver and the body digest that an Authorization header names.

    Both are signed, and still to be compared. Raises SignatureError.
    """
    parts = header.split(" ")
    if len(parts) != _HEADER_PARTS or parts[0] != SCHEME or not _is_stamp(parts[1]):
        raise SignatureError(
            f"The Authorization header must read '{SCHEME} <seconds since 1970> <receiver> "
            "<SHA-256 of the body> <signature>'."
        )
    _, stamp, receiver, digest, mac = parts
    expected = _mac(secret, f"{method}\n{path}\n{receiver}\n{digest}\n{stamp}")
    if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "replace")):
        raise SignatureError("The signature does not fit this request and the cluster secret.")
    if abs(now_s - int(stamp)) > VALID_S:
        raise SignatureError(
            f"The signature is more than {VALID_S} s away from this machine's clock."
        )
    return receiver, digest


def _is_stamp(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _STAMP_CHARS_MAX


def _mac(secret: bytes, text: str) -> str:
    return hmac.digest(secret, text.encode("utf-8", "surrogateescape"), "sha256").hex()
