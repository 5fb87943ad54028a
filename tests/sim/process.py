"""
A simulated process: it lives, dies, is paused, resumed and restarted.

What a dead process was waiting for never comes: each life has a number, and whatever belongs to an
earlier one is dropped. A paused process (SIGSTOP) hears of nothing until it is resumed, and then of
everything, in the order in which it came.
"""

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from bazaar.core.failures import StorageFailed
from tests.sim.events import Action
from tests.sim.network import Call, Network


class Crash(BaseException):
    """The process dies here and now; unwinds to the event loop."""

    def __init__(self, process: "Process") -> None:
        super().__init__(process.name)
        self.process = process


class Process:
    """The base of all processes."""

    def __init__(self, name: str, network: Network) -> None:
        self.name, self.network = name, network
        self.life = 0
        self.is_up, self.is_paused = False, False
        self.backlog: deque[Action] = deque()
        self.working: dict[Call, None] = {}
        """Requests that arrived and have no answer yet."""
        self.fuse = 0
        """How many crash points are left before one kills; 0: none will."""
        self.has_failing_disk = False

    @property
    def now_s(self) -> float:
        """The simulated time."""
        return self.network.events.now_s

    def session(self) -> AbstractContextManager[None]:
        """Return the block in which a task of this process runs."""
        return nullcontext()

    def start(self) -> None:
        """Begin a life; subclasses build their memory anew."""
        self.network.note(f"{self.name} starts")
        self.is_up = True

    def crash(self) -> None:
        """Die as by SIGKILL: memory is gone, connections are reset, the disk stays."""
        if not self.is_up:
            return
        self.network.note(f"{self.name} crashes")
        self.life += 1
        self.is_up, self.is_paused = False, False
        self.backlog.clear()
        working, self.working = self.working, {}
        for call in working:
            self.network.reset(call)

    def crash_point(self) -> None:
        """Die here, before or after a write of the disk, if the fuse has burnt down."""
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                self.network.note(f"{self.name} dies at a write")
                raise Crash(self)

    def check_disk(self) -> None:
        """Fail before a write of the disk, if it takes none now. Raises StorageFailed."""
        if self.has_failing_disk:
            raise StorageFailed(f"{self.name} cannot write.")

    def heal_disk(self) -> None:
        """Let the disk take what is written again."""
        self.has_failing_disk = False

    def pause(self) -> None:
        """Stop hearing of anything, as by SIGSTOP."""
        self.network.note(f"{self.name} pauses")
        self.is_paused = self.is_up

    def resume(self) -> None:
        """Hear of all that came meanwhile."""
        self.network.note(f"{self.name} resumes")
        self.is_paused = False
        while self.backlog and not self.is_paused:
            self.backlog.popleft()()

    def start_if_dead(self) -> None:
        """Begin a life, unless it has one."""
        if not self.is_up:
            self.start()

    def resume_if_paused(self) -> None:
        """Hear again, if it does not."""
        if self.is_paused:
            self.resume()

    def after(self, delay_s: float, action: Action) -> None:
        """Let `action` happen in this life, `delay_s` from now or when it is resumed later."""
        self.network.events.after(delay_s, partial(self._fire, self.life, action))

    def take(self, call: Call, message: object) -> None:
        """Take a request that arrived."""
        if self.is_paused:
            self.backlog.append(partial(self.take, call, message))
            return
        self.working[call] = None
        self.receive(call, message)

    def receive(self, call: Call, message: object) -> None:
        """Handle a request; answer it now or later by `network.answer`."""
        raise NotImplementedError

    def _fire(self, life: int, action: Action) -> None:
        if life != self.life:
            return
        if self.is_paused:
            self.backlog.append(action)
        else:
            action()


def ignore(_: object) -> None:
    """Take an answer that nobody waits for."""
