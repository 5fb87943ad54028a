"""The limits of a port (I10, docs/LIMITS.md)."""

from dataclasses import dataclass

SWEEP_S = 0.5
"""How often connections are looked at for time limits, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What the connections to one port may cost, in numbers, bytes and seconds."""

    connections_max: int = 8192
    held_bytes_max: int = 32 * 1024 * 1024
    """Bytes of all requests that are not whole or not answered."""
    head_s: float = 10.0
    """From the first byte of a request to the end of its head."""
    body_s: float = 30.0
    """From there to the end of its body."""
    idle_s: float = 75.0
    """Until a connection without a request is ended."""
    write_s: float = 30.0
    """Until an answer must have been taken."""
    linger_s: float = 1.0
    """How long the rest of a refused request is read, so that its sender sees the answer."""
    thread_idle_s: float = 30.0
    """How long a thread without work stays."""
    stay_s: float = 0.0
    """How long a lane's thread waits for the next call of a member."""
    stayers_max: int = 0
    """How many threads wait like this."""
    grace_s: float = 1.5
    """How long requests may go on after `stop`."""
    drain_s: float = 12.0
    """How long they may go on after `drain`."""
    drain_idle_s: float = 5.0
    """How long a connection without a request is kept after `drain`."""

    @property
    def sweep_s(self) -> float:
        """The time between two looks at the time limits."""
        shortest_s = min(self.head_s, self.body_s, self.idle_s, self.write_s, self.linger_s)
        return min(SWEEP_S, shortest_s / 4)
