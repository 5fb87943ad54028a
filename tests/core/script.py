"""A flow that a test takes from effect to effect, playing the rest of the world."""

from typing import Any, Generic, TypeVar

from bazaar.core.failures import Failure
from bazaar.core.flow import Effect, Flow

T = TypeVar("T")


class Script(Generic[T]):
    """One run of a flow: it waits in `effect`, or ended with `result` or `failure`."""

    def __init__(self, flow: Flow[T]) -> None:
        """Take the flow to its first effect."""
        self.effect: Effect | None = None
        self.result: T | None = None
        self.failure: Failure | None = None
        self._flow = flow
        self._step(None)

    @property
    def is_over(self) -> bool:
        """Whether the flow has ended."""
        return self.effect is None

    def answer(self, answer: Any) -> "Script[T]":
        """Answer the effect, or fail it with a Failure; go to the next one."""
        assert self.effect is not None, "the flow is over"
        self._step(answer)
        return self

    def _step(self, answer: Any) -> None:
        self.effect = None
        try:
            if isinstance(answer, Failure):
                self.effect = self._flow.throw(answer)
            else:
                self.effect = self._flow.send(answer)
        except StopIteration as stop:
            self.result = stop.value
        except Failure as failure:
            self.failure = failure
