"""Events as sentences, for somebody who has never seen a log of this cluster."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bazaar.protocol.statuses import Event
from bazaar.topology import Role

Field = str | int | float | None
_LEDGER = {
    "elected": "{leader} is elected to lead, term {term}",
    "price changed": "{stock_name} costs {price} from now on",
    "not deciding": "{source} decides no trades yet: {reason}",
    "deciding": "{source} decides trades; its newest order is {last}",
    "recovering without": "{source} goes on without having heard from {replicas}",
    "term raised": "{source} learned from the replicas that the term is {term}, not {before}",
    "ledger recovered": "{source} took {entries} missing entries of its ledger from {replica}",
    "ledger damaged": "{source} found damage in its ledger, and decides nothing: {at}",
    "ledger moved aside": "{source} moved its damaged ledger aside, and makes a new one",
    "pages written by others": "{source} found {count} pages that somebody else wrote, all sound",
    "repair waits": "{source} cannot repair its database yet: {reason}",
}
_LEASES = {
    "holder registered": "A front end has a lease: it may answer from memory",
    "holder dropped": "A front end lost its lease, because it did not answer: {reason}",
    "lease begun": "{source} has a lease: it may answer from memory",
    "lease lost": "{source} lost its lease: the catalog does not know it any more",
    "lease over": "A lease is over: what that front end has in memory may be old",
    "catalog anew": "{source} met a catalog that was started anew, and forgot all stocks",
    "catalog epoch": "{source} follows another catalog (epoch {epoch}), and forgot all stocks",
}
_LEADERSHIP = {
    "leader suspected": "{source} suspects {replica}: {reason}",
    "claiming": "{source} asks the catalog to make {leader} the leader of term {term}",
    "leader known": "{source} sends trades to {leader}, term {term}",
    "election failed": "{source} could not find a leader: {reason}",
    "elections work again": "{source} found a leader again",
    "starting": "{source} starts",
    "serving": "{source} serves, term {term}; its newest order is {last}",
    "following": "{source} follows {leader} since {time}, term {term}",
    "taking over": "{source} takes over, term {term}: it fetches what it lacks",
    "leading": "{source} leads since {time}, term {term}",
    "stepped down": "{source} leads no more: term {term} has begun",
    "staying out": "{source} stays out: its log is damaged",
    "ahead of the ledger": "{source} waits: its log has entries that the ledger lacks",
    "term not stored": "{source} could not store the new term: {reason}",
}
_REPLICATION = {
    "follower in sync": "{replica} is in sync: trades wait for its copy",
    "follower lost": "{replica} is out of sync: it did not answer the leader ({reason})",
    "follower dropped": "{replica} is out of sync: it was too slow, and trades go on without it",
    "follower differs": "{replica} has other orders than the leader: {reason}",
    "caught up": "{source} has all orders again, up to order {last}",
    "catalog out of reach": "{source} does not reach the catalog: {reason}",
    "catalog in reach": "{source} reaches the catalog again",
    "verification ended": "{source} could not compare its log with the ledger: {reason}",
    "log damaged": "{source} found damage in its log, and stays out: {at} {reason}",
    "log moved aside": "{source} moved its damaged log aside, and starts with an empty one",
    "log begun anew": "{source} fills a new log from the others",
}
_OTHERS = {
    "refused": "{source} refused a request {times}: {kind}",
    "tokens unreadable": "{source} cannot read the access tokens: {reason}",
    "tokens readable": "{source} can read the access tokens again",
    "tokens taken up": "{source} knows {count} access tokens now",
    "lost": "{name} does not answer: it is {state}",
    "back": "{name} answers again",
    "restarted": "{name} was restarted",
}
SENTENCES: Mapping[str, str] = {**_LEDGER, **_LEASES, **_LEADERSHIP, **_REPLICATION, **_OTHERS}
"""The sentence of each phrase. Its fields are those of the event, its source and the time (UTC)."""
_NAMES: Mapping[str, str] = {Role.CATALOG: "the catalog", Role.DASHBOARD: "the dashboard"}
_NUMBERED: Mapping[str, str] = {
    Role.ORDER: "replica",
    Role.FRONT_END: "front end",
    "worker": "front-end worker",
}


def describe_event(source: str, event: Event) -> str:
    """Return an event as a sentence; source: the process that reported it."""
    sentence = SENTENCES.get(event.phrase, "{source}: " + event.phrase)
    fields: dict[str, str] = defaultdict(str, source=describe_process(source))
    fields["time"] = f"{datetime.fromtimestamp(event.at_s, UTC):%H:%M:%S}"
    fields.update((name, _describe(name, value)) for name, value in event.fields.items())
    text = sentence.format_map(fields).strip().rstrip(".:")
    return f"{text[:1].upper()}{text[1:]}."


def describe_process(name: str) -> str:
    """Return the name of a process as people say it: `replica 2` for order-2."""
    role, _, number = name.partition("-")
    return f"{_NUMBERED[role]} {number}" if role in _NUMBERED else _NAMES.get(role, name)


def _describe(name: str, value: Field) -> str:
    if describe := _DESCRIBED.get(name):
        return describe(value)
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def _describe_replica(value: Field) -> str:
    return "no replica" if value is None else f"replica {value}"


def _describe_times(value: Field) -> str:
    return "once" if value == 1 else f"{_describe('', value)} times"


_DESCRIBED: Mapping[str, Callable[[Field], str]] = {
    "leader": _describe_replica,
    "replica": _describe_replica,
    "times": _describe_times,
    "name": lambda value: describe_process(str(value)),
    "kind": lambda value: str(value).replace("_", " "),
}
"""Fields that are not written as they are."""
