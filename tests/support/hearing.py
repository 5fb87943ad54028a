"""What a process tells of itself, as far as a test caused it: all rooms share one process here."""

from bazaar.protocol.statuses import Event, OperationStatus
from bazaar.runtime.metrics import events, operations


class Hearing:
    """Events and requests since this was made."""

    def __init__(self) -> None:
        told = events.snapshot()
        self._after = told[-1].no if told else 0
        self._before = {operation.name: operation for operation in operations.snapshot()}

    def events(self) -> list[Event]:
        """Return what happened since."""
        return [event for event in events.snapshot() if event.no > self._after]

    def phrases(self) -> list[str]:
        """Return what happened since, in words."""
        return [event.phrase for event in self.events()]

    def fields(self, phrase: str) -> dict[str, object]:
        """Return the fields of the one event with this phrase."""
        (found,) = (event for event in self.events() if event.phrase == phrase)
        return dict(found.fields)

    def requests(self) -> dict[str, tuple[int, int, int]]:
        """Return how many requests of each kind came since, were refused, and failed."""
        counts = {}
        for now in operations.snapshot():
            old = self._before.get(now.name, OperationStatus(name=now.name, count=0))
            counts[now.name] = (
                now.count - old.count,
                now.refused - old.refused,
                now.failed - old.failed,
            )
        return {name: count for name, count in counts.items() if count[0]}
