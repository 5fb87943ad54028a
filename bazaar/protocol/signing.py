"""
Signed requests: members know the cluster secret (RFC 2104, HMAC-SHA256).

Signed are the method, the path with its query, the digest of the body and the time. A signature is
good for 30 s either way, so a recorded request soon dies; until then repeating it is harmless,
because every message inside the cluster may arrive twice (I2). Left out: secrecy. Nothing here is
encrypted; put the cluster on a private network.
"""

import hashlib
import hmac

SCHEME = "Bazaar-HMAC-SHA256"
VALID_S = 30
"""How far the signer's clock may be from the reader's, in seconds."""
_STAMP_CHARS_MAX = 20


def sign(secret: bytes, method: str, path: str, body: bytes, now_s: float) -> str:
    """Return the Authorization header of a request; `path` includes the query."""
    stamp = str(int(now_s))
    return f"{SCHEME} {stamp}:{_mac(secret, method, path, body, stamp)}"


def fault(secret: bytes, header: str, method: str, path: str, body: bytes, now_s: float) -> str:
    """Return what is wrong with an Authorization header; empty when it is good."""
    scheme, _, credentials = header.partition(" ")
    stamp, _, mac = credentials.partition(":")
    is_number = stamp.isascii() and stamp.isdigit() and len(stamp) <= _STAMP_CHARS_MAX
    if scheme != SCHEME or not is_number:
        return f"The Authorization header must read '{SCHEME} <seconds since 1970>:<hex>'."
    expected = _mac(secret, method, path, body, stamp)
    if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "replace")):
        return "The signature does not fit this request and the cluster secret."
    if abs(now_s - int(stamp)) > VALID_S:
        return f"The signature is more than {VALID_S} s away from this machine's clock."
    return ""


def _mac(secret: bytes, method: str, path: str, body: bytes, stamp: str) -> str:
    digest = hashlib.sha256(body).hexdigest()
    text = f"{method}\n{path}\n{digest}\n{stamp}"
    return hmac.digest(secret, text.encode("utf-8", "surrogateescape"), "sha256").hex()
