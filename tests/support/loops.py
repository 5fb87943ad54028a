"""An event loop whose turns a test takes itself."""

import socket
from collections import deque
from collections.abc import Callable

Action = Callable[[bool], None]


class HandLoop:
    """An `EventLoop`: `turn` does what is due, `answer` and `ring` what is waited for."""

    def __init__(self) -> None:
        self.soon = deque[Callable[[], None]]()
        self.watched: list[tuple[socket.socket, float, Action]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, action: Callable[[], None]) -> None:
        """Keep an action for the next turn."""
        self.soon.append(action)

    def call_at(self, at_s: float, action: Callable[[], None]) -> None:
        """Keep an action for `ring`."""
        self.later.append((at_s, action))

    def when_readable(self, sock: socket.socket, until_s: float, action: Action) -> None:
        """Keep an action for `answer`."""
        self.watched.append((sock, until_s, action))

    def turn(self) -> None:
        """Do what is due."""
        while self.soon:
            self.soon.popleft()()

    def answer(self, *, is_readable: bool = True) -> None:
        """Let the oldest watch end, then take a turn."""
        _, _, action = self.watched.pop(0)
        action(is_readable)
        self.turn()

    def ring(self) -> None:
        """Let the oldest time come, then take a turn."""
        _, action = self.later.pop(0)
        action()
        self.turn()
