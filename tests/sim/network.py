"""
A seeded network of calls: late, lost, repeated, reordered, garbled, cut either way.

A call is one request and at most one answer that counts. Whoever asks is told Unreachable when the
time is up, when nobody listens (`is_refused`), or when the other side dies while it works on it. A
request may still arrive after its sender gave up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from bazaar.core.failures import Unreachable
from tests.core.garbling import garble
from tests.sim.events import Events
from tests.sim.messages import TRADING

if TYPE_CHECKING:
    from tests.sim.process import Process

OnAnswer = Callable[[Any], None]
DELAY_MIN_S = 0.0002
DELAY_SPREAD_S = 0.0015
SILENCE = "silence"
"""What a caller hears whose time is up."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: chances in [0, 1] for each message."""

    lost: float = 0.0
    repeated: float = 0.0
    garbled: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    """The longest that a late message takes."""
    has_twins: bool = False
    """Whether requests that carry trades are repeated too; HTTP over TCP never does that."""


CALM = Weather()


@dataclass(eq=False, slots=True)
class Call:
    """One request under way."""

    source: "Process"
    target: "Process"
    message: object
    on_answer: OnAnswer
    life: int
    """The life of the source that waits for the answer."""
    is_open: bool = True


@dataclass(slots=True)
class Network:
    """Carries calls between processes."""

    events: Events
    rng: Random
    weather: Weather = CALM
    cuts: set[tuple[str, str]] = field(default_factory=set)
    """Directed links, by process names, that carry nothing."""
    slow_s: dict[tuple[str, str], float] = field(default_factory=dict)
    """Directed links that take longer, and by how much."""
    recorded: list[tuple["Process", object]] | None = None
    """What was sent to whom, for somebody who sends it again."""
    trace: list[str] | None = None
    """The history, one line a happening, for whoever looks at a failing seed."""

    def call(
        self,
        source: "Process",
        target: "Process",
        message: object,
        on_answer: OnAnswer,
        timeout_s: float,
    ) -> Call:
        """Send a request; `on_answer` gets the answer or a Failure, once, while `source` lives."""
        call = Call(source, target, message, on_answer, source.life)
        self.events.after(timeout_s, partial(self._finish, call, SILENCE))
        self._send(source, target, partial(self._arrive, call))
        weather = self.weather
        may_come_twice = weather.has_twins or not isinstance(message, TRADING)
        if self.recorded is not None and may_come_twice:
            self.recorded.append((target, message))
        may_repeat = weather.repeated and may_come_twice
        if may_repeat and self.rng.random() < weather.repeated:
            self._send(source, target, partial(self._arrive, call))
        return call

    def answer(self, call: Call, answer: object) -> None:
        """Send what `call` gets."""
        call.target.working.pop(call, None)
        self._send(call.target, call.source, partial(self._finish, call, self._garbled(answer)))

    def reset(self, call: Call) -> None:
        """Tell a caller that the other side died while it worked on the call."""
        self._send(call.target, call.source, partial(self._finish, call, Unreachable("reset")))

    def abandon(self, call: Call) -> None:
        """Give up waiting for an answer, now."""
        if call.is_open:
            call.is_open = False
            call.on_answer(Unreachable("abandoned"))

    def note(self, text: str) -> None:
        """Write a line of history, if anybody reads it."""
        if self.trace is not None:
            self.trace.append(f"{self.events.now_s:8.4f} {text}")

    def _send(self, source: "Process", target: "Process", action: Callable[[], None]) -> None:
        weather, chance = self.weather, self.rng.random
        delay_s = DELAY_MIN_S + DELAY_SPREAD_S * chance()
        if weather is not CALM:
            if chance() < weather.lost:
                return
            if chance() < weather.late:
                delay_s += chance() * weather.late_s
        link = (source.name, target.name)
        if link in self.cuts:
            return
        if self.slow_s:
            delay_s += self.slow_s.get(link, 0.0)
        self.events.after(delay_s, action)

    def _arrive(self, call: Call) -> None:
        target = call.target
        if self.trace is not None:
            self.note(f"{call.source.name} > {target.name} {call.message}")
        if target.is_up:
            target.take(call, self._garbled(call.message))
        else:
            refusal = Unreachable("refused", is_refused=True, was_sent=False)
            self._send(target, call.source, partial(self._finish, call, refusal))

    def _finish(self, call: Call, answer: object) -> None:
        source = call.source
        if not call.is_open or call.life != source.life:
            return
        if source.is_paused:
            source.backlog.append(partial(self._finish, call, answer))
            return
        call.is_open = False
        if self.trace is not None:
            self.note(f"{source.name} < {call.target.name} {answer!r}")
        call.on_answer(Unreachable("silent") if answer is SILENCE else answer)

    def _garbled(self, message: object) -> object:
        if self.weather.garbled and self.rng.random() < self.weather.garbled:
            return garble(self.rng, message)
        return message
