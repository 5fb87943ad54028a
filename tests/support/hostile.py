"""
Hostile requests, each made from a seed: bytes, their pieces in time, and how the sender ends.

Nothing here reads a clock or a network: a seed, a port and a signer make the same attempt again.
What is signed is of a kind that can change nothing: it reads, speaks for term 0, or is malformed.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from tests.contract.examples import EXAMPLES, Example
from tests.support.hostile_parts import CHANGES, Draft
from tests.support.hostile_values import FORM, RAW

Sign = Callable[[str, str, str, bytes], str]
"""Returns an Authorization for receiver, method, target and body."""
JSON_TYPE = b"application/json"
CHANGING = frozenset(
    {("POST", "/trade"), ("GET", "/trade"), ("POST", "/price"), ("POST", "/register")}
)
"""What changes something when it is signed and right."""
SIGNED_SHARE, RAW_SHARE, PIPELINE_SHARE, CUT_SHARE = 0.35, 0.03, 0.06, 0.08
PIPELINE_MAX = 20
UNREAD_SHARE, AWAITED_SHARE = 0.08, 0.7
HOLD_SHARE = 0.08
"""Of those that are cut: how many are held until the server ends them."""
PAGES = (
    *("/", "/cache", "/stocks", "/orders", "/orders?q=MenhirCo&before=5", "/events", "/traffic"),
    *(
        "/api",
        "/api/cluster",
        "/api/stocks?after=1",
        "/api/orders?q=1",
        "/api/catalog/served/query",
    ),
    *("/api/order-1/control/status", "/api/frontend-1/served/rm", "/login/", "/login/?next=/"),
    *("/auth/user/", "/auth/user/add/", "/auth/user/1/change/", "/auth/user/1/delete/"),
    *("/auth/user/1/history/", "/auth/user/99999999999999999999/change/", "/auth/user/x/change/"),
    *("/dashboard/auditentry/", "/dashboard/auditentry/1/change/", "/jsi18n/", "/search/?s=x"),
    *("/static/dashboard/icon.svg", "/static/dashboard/no.css", "/autocomplete/", "/r/1/1/"),
)
FORMS = ("/stocks/trade", "/stocks/price", "/cache/evict", "/faults", "/auth/user/add/", "/login/")
"""Forms of the dashboard."""
FORM_FIELDS = (
    *(b"stock_name=&quantity=0", b"stock_name=%00&price=NaN", b"", b"username=%00&x=%FF"),
    b"username=nobody&password=x&next=/",
)
"""What no form of the dashboard takes."""


class Ending(StrEnum):
    """What a sender does after its last byte."""

    AWAIT = "await"
    """Waits for every answer."""
    HALF_CLOSE = "half-close"
    """Says that nothing follows, and reads to the end."""
    HOLD = "hold"
    """Waits until the server ends what is not whole."""
    RESET = "reset"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class HostilePort:
    """A port, and what makes requests for it."""

    name: str
    address: tuple[str, int]
    examples: tuple[Example, ...]
    """Empty for the dashboard, which serves pages."""
    receiver: str = ""
    """What a signature names."""
    is_public: bool = False
    cookie: str = ""
    """The session of a signed-in user of the dashboard."""
    token: str = ""
    """What this user's forms carry."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection: what is sent, when, and what must come back."""

    number: int
    kind: str
    pieces: tuple[tuple[float, bytes], ...]
    """Bytes, each after a pause in seconds."""
    ending: Ending
    methods: tuple[bytes, ...]
    """Of each request for which an answer must come."""
    is_framed: bool
    """Whether so many answers come, and no more."""
    is_signed: bool = False
    is_unseen: bool = False
    """Whether nothing is placed that `keys` do not name, so the answers need not be read."""
    keys: tuple[UUID, ...] = ()
    """Idempotency keys of whole requests whose answers are not read."""

    @property
    def content(self) -> bytes:
        """All its bytes."""
        return b"".join(piece for _, piece in self.pieces)


def examples_of(urlconf: str) -> tuple[Example, ...]:
    """Return a good request for every endpoint of a URLconf; none speaks for a term there is."""
    return tuple(
        replace(one, body={**one.body, "term": 0}) if one.body and "term" in one.body else one
        for one in EXAMPLES
        if one.urlconf == urlconf
    )


def make_attempt(port: HostilePort, base: int, number: int, sign: Sign) -> Attempt:
    """Return one attempt of a run. base: the seed of the run."""
    chance = random.Random(f"{base}:{number}")
    if chance.random() < RAW_SHARE:
        kind, content = chance.choice(RAW)
        return _send_raw(chance, number, kind, content)
    count = chance.randint(2, PIPELINE_MAX) if chance.random() < PIPELINE_SHARE else 1
    is_signed = bool(port.receiver or port.cookie) and chance.random() < SIGNED_SHARE
    kinds, drafts, keys = list[str](), list[Draft](), list[UUID]()
    for _ in range(count):
        draft = _begin(chance, port, is_signed=is_signed)
        if port.is_public and draft.method == b"POST" and chance.random() < 0.8:
            keys.append(UUID(int=chance.getrandbits(128), version=4))
            draft.headers.append((b"Idempotency-Key", str(keys[-1]).encode()))
        kinds += _change(chance, draft)
        if is_signed:
            _sign(chance, port, draft, sign)
        drafts.append(draft)
    is_framed = all(draft.is_framed for draft in drafts)
    content = b"".join(draft.pack() for draft in drafts)
    kind = ("signed " if is_signed else "") + ("+".join(sorted(set(kinds))) or "as it is")
    methods = tuple(draft.method for draft in drafts)
    attempt = Attempt(number, kind, ((0.0, content),), Ending.AWAIT, methods, is_framed, is_signed)
    may_trade = port.is_public and b"POST" in content
    if not may_trade or (not kinds and len(keys) == count):
        attempt = replace(attempt, keys=tuple(keys), is_unseen=True)
    attempt = _end(chance, attempt)
    return replace(attempt, pieces=_split(chance, attempt.content))


def _begin(chance: random.Random, port: HostilePort, *, is_signed: bool) -> Draft:
    """Return a good request."""
    if not port.examples:
        return _begin_page(chance, port, is_signed=is_signed)
    example = chance.choice(port.examples)
    draft = Draft(example.method.encode(), example.target.encode(), example.content)
    draft.example = example
    draft.is_safe = (example.method, example.path) not in CHANGING
    draft.headers = [(b"Host", b"127.0.0.1")]
    if example.body is not None:
        draft.headers.append((b"Content-Type", JSON_TYPE))
    if chance.random() < 0.15:
        draft.headers.append((b"Accept", b"text/html,*/*;q=0.8"))
    return draft


def _begin_page(chance: random.Random, port: HostilePort, *, is_signed: bool) -> Draft:
    is_form = chance.random() < 0.3
    path = chance.choice(FORMS if is_form else PAGES)
    draft = Draft(b"POST" if is_form else b"GET", path.encode())
    draft.headers = [(b"Host", b"127.0.0.1:%d" % port.address[1])]
    if is_form:
        token = port.token if chance.random() < 0.6 else "x" * 64
        draft.body = b"csrfmiddlewaretoken=%s&%s" % (token.encode(), chance.choice(FORM_FIELDS))
        draft.headers.append((b"Content-Type", FORM))
    if is_signed:
        draft.headers.append((b"Cookie", port.cookie.encode()))
    return draft


def _change(chance: random.Random, draft: Draft) -> list[str]:
    """Make up to four changes; return their names."""
    changes, weights = zip(*CHANGES, strict=True)
    names = []
    for change in chance.choices(changes, weights, k=chance.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        change(chance, draft)
        names.append(change.__name__)
    return names


def _sign(chance: random.Random, port: HostilePort, draft: Draft, sign: Sign) -> None:
    """Sign a request, if it is of a kind that can change nothing."""
    if not port.receiver:
        return
    if not draft.is_safe:
        draft.body, draft.target = b"[]", draft.target.partition(b"?")[0]
    receiver = port.receiver if chance.random() < 0.95 else "order-9"
    method, target = draft.method.decode("latin-1"), draft.target.decode("latin-1")
    header = sign(receiver, method, target, draft.body)
    draft.headers.append((b"Authorization", header.encode("latin-1", "replace")))


def _end(chance: random.Random, attempt: Attempt) -> Attempt:
    """Decide how the sender ends: with everything sent, or before."""
    content = attempt.content
    if len(content) > 1 and chance.random() < CUT_SHARE:
        return _cut(chance, attempt, content[: chance.randint(1, len(content) - 1)])
    if attempt.is_unseen and chance.random() < UNREAD_SHARE:
        return replace(attempt, ending=chance.choice((Ending.RESET, Ending.LEAVE)))
    if attempt.is_framed and chance.random() < AWAITED_SHARE:
        return replace(attempt, keys=())
    return replace(attempt, keys=(), ending=Ending.HALF_CLOSE)


def _cut(chance: random.Random, attempt: Attempt, content: bytes) -> Attempt:
    """Leave the end out."""
    ending = Ending.HALF_CLOSE
    if attempt.is_framed and len(attempt.methods) == 1:
        ending = chance.choice((Ending.HALF_CLOSE, Ending.RESET, Ending.LEAVE))
        ending = Ending.HOLD if chance.random() < HOLD_SHARE else ending
    return replace(
        attempt,
        kind=f"cut {attempt.kind}",
        pieces=((0.0, content),),
        ending=ending,
        methods=attempt.methods if content.strip(b"\r\n") else (),
        is_framed=False,
        keys=(),
    )


def _send_raw(chance: random.Random, number: int, kind: str, content: bytes) -> Attempt:
    is_begun = bool(content.strip(b"\r\n"))
    methods = (b"",) if is_begun else ()
    pieces = _split(chance, content)
    return Attempt(number, kind, pieces, Ending.HALF_CLOSE, methods, is_framed=False)


def _split(chance: random.Random, content: bytes) -> tuple[tuple[float, bytes], ...]:
    """Cut bytes into pieces, most often one; sometimes they come one by one."""
    how = chance.random()
    if how < 0.7 or len(content) < 2:
        return ((0.0, content),)
    if how < 0.73:
        head, rest = content[:40], content[40:]
        drops = tuple((chance.uniform(0.0, 0.01), bytes((one,))) for one in head)
        return (*drops, (0.0, rest)) if rest else drops
    places = sorted(
        chance.sample(range(1, len(content)), min(len(content) - 1, chance.randint(1, 6)))
    )
    edges = [0, *places, len(content)]
    return tuple((chance.uniform(0.0, 0.02), content[begin:end]) for begin, end in pairwise(edges))


def describe(attempt: Attempt) -> str:
    """Return what an attempt sends, for people: one line a piece."""
    lines = [f"  {pause_s:.3f} s {piece[:2000]!r}" for pause_s, piece in attempt.pieces]
    told = json.dumps({"ending": attempt.ending, "framed": attempt.is_framed})
    return "\n".join([f"attempt {attempt.number}: {attempt.kind} {told}", *lines])
