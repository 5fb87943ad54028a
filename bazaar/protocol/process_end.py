"""Messages by which a process is asked to end itself (docs/adr/0049)."""

from typing import Annotated, Literal

import msgspec

from bazaar.protocol.messages import Message, Place

EndSignal = Literal["KILL", "TERM"]


class EndBody(Message, frozen=True, kw_only=True):
    """Operator to a process: one life of it, and the signal that ends it."""

    pid: Place
    up_since_s: Annotated[float, msgspec.Meta(ge=0)]
    """Both as its status has them: the process that comes after it goes on."""
    signal: EndSignal


class EndAnswerBody(Message, frozen=True, kw_only=True):
    """What the process does about it."""

    is_ending: bool
    """False: the life that was meant is over already."""
