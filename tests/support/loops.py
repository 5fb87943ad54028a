"""An event loop whose turns a test takes itself."""

import socket
from collections import deque
from collections.abc import Callable

Action = Callable[[bool], None]


class HandLoop:
    """An `EventLoop`: `turn` does what is due, `answer` says that a socket is readable."""

    def __init__(self) -> None:
        self.soon = deque[Callable[[], None]]()
        self.watched: list[tuple[socket.socket, float, Action]] = []

    def call_soon(self, action: Callable[[], None]) -> None:
        """Keep an action for the next turn."""
        self.soon.append(action)

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
