"""
Guards the sign-in: which passwords are checked at all, and how many at a time.

A check costs half a second of processor, so each is counted as a failure before it begins, and
forgotten when it succeeds: a crowd of tries gets no further than one. Tries are counted for each
user and address; for each browser that the user has signed in with before, apart from all others;
and for names that nobody has all together, because none of those can get in (docs/adr/0032).
"""

import ipaddress
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from bazaar import clock
from bazaar.core.failures import Busy
from bazaar.core.rate_limiter import RateLimiter
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events

log = get_log("bazaar.dashboard")

CHECKS_MAX = 2
"""Passwords checked at the same time; as many again for known browsers."""
WAITING_MAX = 16
"""Sign-ins that wait for that, each in a thread; then they are refused."""
WAIT_S = 10.0
SOURCES_MAX = 10_000
"""Sources whose failures are remembered; then the oldest is forgotten."""
UNKNOWN_BURST, UNKNOWN_PER_S = 5, 0.2
"""Checks for names that nobody has: together, and how many more each second."""
TOO_MANY_FAILURES = "Too many failed sign-ins; try again in a few minutes."
"""Whether somebody has the name or not."""
LATER_S, SOON_S = 60, 1
NAME_CHARS_MAX = 150
DEVICE_COOKIE = "bazaar_device"
DEVICE_DAYS = 180
_DEVICE_SALT = "bazaar.dashboard.device"
_IPV6_PREFIX = 64
Source = tuple[str, str]
"""Whose failures are counted together: a user or name, and an address or a known browser."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """One try to sign in, before its password is looked at."""

    user_id: int | None
    """None when nobody has this name."""
    name: str
    address: str
    device: str | None
    """The id of a browser that this user has signed in with before."""

    @property
    def source(self) -> Source:
        """Whose failures it counts among."""
        user = f"user {self.user_id}" if self.user_id else f"name {self.name}"
        return user, f"device {self.device}" if self.device else self.address


class SignInThrottle:
    """The failures of each source; safe for many threads."""

    def __init__(self, failures_max: int, pause_s: float, now_s: Callable[[], float]) -> None:
        """pause_s: how long a failure counts. now_s: on a clock that never goes back."""
        self.failures_max, self.pause_s, self._now_s = failures_max, pause_s, now_s
        self._failures: OrderedDict[Source, list[float]] = OrderedDict()
        self._unknown = RateLimiter(UNKNOWN_PER_S, UNKNOWN_BURST)
        self._lock = threading.Lock()

    def begin(self, sign_in: SignIn) -> float:
        """
        Count a try as failed and return its time.

        Raises Busy (definite): the password may not be checked now.
        """
        with self._lock:
            now_s = self._now_s()
            failures = self._recent(sign_in.source, now_s)
            if len(failures) >= self.failures_max:
                raise Busy
            if sign_in.user_id is None:
                self._unknown.admit(now_s)
                self._unknown.count(now_s)
            failures.append(now_s)
            self._failures[sign_in.source] = failures
            self._failures.move_to_end(sign_in.source)
            while len(self._failures) > SOURCES_MAX:
                self._failures.popitem(last=False)
            return now_s

    def take_back(self, sign_in: SignIn, at_s: float) -> None:
        """Forget a try whose password was not checked."""
        with self._lock:
            failures = self._failures.get(sign_in.source, [])
            if at_s in failures:
                failures.remove(at_s)

    def succeed(self, sign_in: SignIn) -> None:
        """Forget all failures of a source that has signed in."""
        with self._lock:
            self._failures.pop(sign_in.source, None)

    def is_over(self, sign_in: SignIn) -> bool:
        """Tell whether the source has no try left."""
        with self._lock:
            return len(self._recent(sign_in.source, self._now_s())) >= self.failures_max

    def _recent(self, source: Source, now_s: float) -> list[float]:
        times = self._failures.get(source, [])
        return [at_s for at_s in times if now_s - at_s < self.pause_s]


class Places:
    """Places for checking a password, and for waiting for one."""

    def __init__(self, checks_max: int = CHECKS_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._checks = threading.BoundedSemaphore(checks_max)
        self._all = threading.BoundedSemaphore(checks_max + waiting_max)

    def take(self) -> bool:
        """Take a place, after a wait if need be; False when there is none."""
        if not self._all.acquire(blocking=False):
            return False
        if self._checks.acquire(timeout=WAIT_S):
            return True
        self._all.release()
        return False

    def give_back(self) -> None:
        """Let the next one in."""
        self._checks.release()
        self._all.release()


class SignInGuard:
    """Lets a sign-in through to its password check, or answers 429 without it."""

    def __init__(
        self, failures_max: int, pause_s: float, now_s: Callable[[], float] = clock.monotonic_s
    ) -> None:
        self.throttle = SignInThrottle(failures_max, pause_s, now_s)
        self.places, self.device_places = Places(), Places()
        self.nobodys_places = Places(checks_max=1, waiting_max=0)

    def answer(self, request: HttpRequest, check: Callable[[], HttpResponse]) -> HttpResponse:
        """Return what `check`, which checks the password, answers, or refuse (429)."""
        sign_in = read_sign_in(request)
        try:
            at_s = self.throttle.begin(sign_in)
        except Busy:
            return _refuse(TOO_MANY_FAILURES, LATER_S)
        places = self._places_of(sign_in)
        if not places.take():
            self.throttle.take_back(sign_in, at_s)
            return _refuse("Too many sign-ins at the same time; try again.", SOON_S)
        try:
            answer = check()
        finally:
            places.give_back()
        if isinstance(answer, HttpResponseRedirect):
            self.throttle.succeed(sign_in)
            _remember_device(request, answer, sign_in)
            return answer
        # A name that nobody has may be a password in the wrong field.
        user = sign_in.name if sign_in.user_id is not None else ""
        log.warning("sign-in failed", user=user, address=sign_in.address)
        if self.throttle.is_over(sign_in):
            return _refuse(TOO_MANY_FAILURES, LATER_S)
        return answer

    def _places_of(self, sign_in: SignIn) -> Places:
        """Return where a try gets its place: users do not wait for names that nobody has."""
        if sign_in.user_id is None:
            return self.nobodys_places
        return self.device_places if sign_in.device else self.places


def read_sign_in(request: HttpRequest) -> SignIn:
    """Return the try that a request is; its name is read as the form reads it."""
    text = request.POST.get("username", "")[: NAME_CHARS_MAX + 1]
    name = UsernameField(max_length=NAME_CHARS_MAX).to_python(text) or ""
    user_id = User.objects.filter(username=name).values_list("pk", flat=True).first()
    return SignIn(user_id, name, address_of(request), _device_of(request, user_id))


def address_of(request: HttpRequest) -> str:
    """Return the sender's address; of IPv6 its network of 64 bits."""
    text = str(request.META.get("REMOTE_ADDR", ""))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped:
        return text
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))


def _device_of(request: HttpRequest, user_id: int | None) -> str | None:
    """Return the id in the cookie that this user's browser got at its last sign-in."""
    value = request.get_signed_cookie(
        DEVICE_COOKIE, "", salt=_DEVICE_SALT, max_age=DEVICE_DAYS * 24 * 3600
    )
    owner, _, device = str(value).partition("-")
    return device if device and owner == str(user_id) else None


def _remember_device(request: HttpRequest, answer: HttpResponse, sign_in: SignIn) -> None:
    """Give the browser a cookie that lets this user's tries there be counted apart."""
    device = sign_in.device or secrets.token_hex(16)
    answer.set_signed_cookie(
        DEVICE_COOKIE,
        f"{sign_in.user_id}-{device}",
        salt=_DEVICE_SALT,
        max_age=DEVICE_DAYS * 24 * 3600,
        path=request.path,
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def _refuse(message: str, retry_after_s: int) -> HttpResponse:
    """Return a refusal, and count it; the password was not looked at, or was the last to be."""
    events.emit_refusal(log, "sign_in")
    return HttpResponse(
        message,
        content_type="text/plain; charset=utf-8",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        headers={"Retry-After": str(retry_after_s)},
    )
