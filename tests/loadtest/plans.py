"""Plans of runs, and what their processes would play."""

from typing import Any

import msgspec

from bazaar.loadtest.plan import Plan, Share
from bazaar.loadtest.profiles import Weighted

PLAN = Plan(
    urls=("http://127.0.0.1:1",),
    profile="seed",
    stocks=(Weighted("BoarCo", 1.0), Weighted("GameStart", 1.0)),
    clients=2,
    duration_s=10.0,
    p=0.5,
    lookup=0.5,
    seed=1,
    deadline_s=2.0,
)


def make_plan(**changes: Any) -> Plan:
    """Return a plan with some things changed."""
    return msgspec.structs.replace(PLAN, **changes)


def make_share(number: int = 0, **changes: Any) -> Share:
    """Return the share of one process in such a plan."""
    return Share(plan=make_plan(**changes), number=number, key_prefix=7, is_noting=True)
