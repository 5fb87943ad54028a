"""
Every failure of the domain, and whether it is definite (I9).

A *definite* failure had no effect, and repeating the same request gives the same answer until
something changes. After an *indefinite* one the trade may have happened: repeat it with the same
key, and the answer shows it. Status codes and names on the wire are in `bazaar.protocol.errors`.
"""

from typing import ClassVar, Self

from bazaar.core.types import CatalogId, Digest, Epoch, Position, ReplicaId, Term


class Failure(Exception):  # noqa: N818 - these are answers, not accidents
    """
    The base of every failure of the domain.

    `message` is one sentence for the caller.
    """

    is_definite: ClassVar[bool] = True
    default_message: ClassVar[str] = "The request failed."

    def __init__(self, message: str = "") -> None:
        self.message = message or self.default_message
        super().__init__(self.message)


class UnknownStock(Failure):
    """No stock has this name."""

    default_message = "Stock not found"


class InsufficientQuantity(Failure):
    """More shares were asked for than the catalog holds."""

    default_message = "Not enough shares in the catalog."


class Overstock(Failure):
    """More shares were offered than were issued."""

    default_message = "The catalog cannot hold more shares than were issued."


class KeyReused(Failure):
    """The idempotency key belongs to another trade (I2)."""

    default_message = "This idempotency key was already used for another trade."


class UnknownOrder(Failure):
    """No order has this number."""

    default_message = "order not found"


class UnknownTrace(Failure):
    """No process remembers a trade any more, or none with this key came."""

    default_message = (
        "Nobody remembers this trade: it never came, or so many came after it that it is forgotten."
    )


class UnknownHolder(Failure):
    """The holder has no lease: it must empty its cache and register."""

    default_message = "This holder has no lease; clear the cache and register again."


class Busy(Failure):
    """A queue is full (I10); nothing was tried."""

    default_message = "Too many requests are waiting; try again later."


class TokenRequired(Failure):
    """A trade came without a token where it needs one; nothing was tried."""

    default_message = (
        "A trade at this front end needs a token. `manage.py token create NAME` makes one; send it "
        "as `Authorization: Bearer TOKEN`. BAZAAR_ANONYMOUS_TRADES=1 lets everybody trade."
    )


class TokenRefused(Failure):
    """The token of a request is unknown, revoked or expired; nothing was tried."""

    default_message = (
        "This token is not known. `manage.py token list` shows those that are, and `manage.py "
        "token create NAME` makes one."
    )


class AccessDenied(Failure):
    """The token of a request does not allow what it asks for; nothing was tried."""

    default_message = "This token does not allow this."


class TokensUnavailable(Failure):
    """The list of tokens cannot be read, so no token is good now; nothing was tried."""

    default_message = "The tokens cannot be checked now; the log of this front end says why."


class RateLimited(Failure):
    """
    A caller has sent more requests than its rate limit allows; nothing was tried.

    Carries the limit (its name, requests, and seconds) and when the next request is admitted.
    """

    default_message = "Too many requests; wait and try again."

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.limit, self.count_max, self.window_s, self.wait_s = "", 0, 1.0, 1.0

    @classmethod
    def over(cls, limit: str, count_max: int, window_s: float, wait_s: float) -> Self:
        """Return the failure for a limit of `count_max` requests in `window_s`."""
        failure = cls(
            f"Too many requests of this {limit}: it may send {count_max} in {window_s:g} s. "
            "Wait and try again."
        )
        failure.limit, failure.count_max = limit, count_max
        failure.window_s, failure.wait_s = window_s, wait_s
        return failure


class TooFewInSync(Failure):
    """Fewer replicas are in sync than the operator demands; nothing was tried."""

    default_message = "Too few order replicas are in sync."


class NoReplica(Failure):
    """No order replica is alive and serving."""

    default_message = "No order replica is alive."


class LeaderAlive(Failure):
    """The leader is alive: it was elected a moment ago, or was only slow. It is not replaced."""

    default_message = "The leader is alive; look again."


class NoLeader(Failure):
    """There is no leader to send a trade to; this attempt was not sent."""

    default_message = "There is no leader at the moment."


class NotServing(Failure):
    """This replica is starting, or stays out because its log is damaged."""

    default_message = "This replica does not serve yet."


class Corrupt(Failure):
    """An order log differs from the ledger (I8); its replica stays out."""

    default_message = "This replica's log is damaged; ask another one."


class DamagedPage(Failure):
    """A run of entries contradicts the digest it came with; nothing of it was stored."""

    default_message = "The entries do not have the digest they came with."


class StaleTerm(Failure):
    """The request is for a leadership that is over (I5); carries the current one."""

    def __init__(self, term: Term, leader: ReplicaId | None, message: str = "") -> None:
        super().__init__(message or f"The current term is {term}, its leader {leader}.")
        self.term, self.leader = term, leader


class NotLeader(Failure):
    """The replica does not lead the term of the request; nothing was tried."""

    default_message = "This replica is not the leader."


class Deposed(Failure):
    """The replica stopped leading while the trade was under way."""

    is_definite = False
    default_message = "This replica stopped being the leader."


class NotReplicated(Failure):
    """The trade happened, but too few replicas have it to acknowledge it."""

    is_definite = False
    default_message = "Too few order replicas took the order in time."


class Unreachable(Failure):
    """
    No answer came: refused, cut, silent or garbled.

    The request may have been executed.
    """

    is_definite = False
    default_message = "The other side did not answer."

    def __init__(
        self, message: str = "", *, is_refused: bool = False, was_sent: bool = True
    ) -> None:
        """
        Note what is known of the attempt.

        is_refused: no process listens there now. was_sent: the request may have arrived.
        """
        super().__init__(message)
        self.is_refused, self.was_sent = is_refused, was_sent


class StorageFailed(Unreachable):
    """
    A process cannot use its database now.

    Its disk is full, read-only or fails, or another process has it locked. Nothing is damaged, and
    it goes on by itself when the disk is well again. For its caller it is out of reach until then;
    the request may have been executed.
    """

    default_message = "The database cannot be used now."


class NotActive(Unreachable):
    """
    A catalog is not the active one, or its epoch is over; nothing was tried.

    Carries the newest epoch known there and its active catalog, if that is known. For a caller that
    cannot follow, the catalog is out of reach.
    """

    is_definite = True

    def __init__(self, epoch: Epoch, active: CatalogId | None, message: str = "") -> None:
        whose = "nobody knows which catalog is" if active is None else f"catalog {active} is"
        message = message or f"This catalog is not active; {whose}, since epoch {epoch}."
        super().__init__(message, is_refused=True, was_sent=False)
        self.epoch, self.active = epoch, active


class GapFound(Failure):
    """
    A log, or the ledger, lacks the entries before those of a page.

    Carries the position of the newest one that it has.
    """

    def __init__(self, last: Position) -> None:
        super().__init__(f"There are entries up to {last} only.")
        self.last = last


class Unconfirmed(Failure):
    """The leader that an append names does not confirm it; nothing was stored."""

    default_message = "The leader named has not sent this append; nothing of it was stored."


class Diverged(Failure):
    """Two logs hold different entries at one position (I1)."""

    default_message = "Two logs differ."

    @classmethod
    def at(cls, position: Position, ours: Digest, theirs: Digest) -> Self:
        """Return the failure at or before one entry, whose two digests are given."""
        return cls(f"Logs differ at or before entry {position}: {ours[:12]}, {theirs[:12]}.")
