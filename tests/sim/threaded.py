"""A simulated process with threads: each request has one of its own."""

from contextlib import AbstractContextManager
from functools import partial

from bazaar.core.failures import Failure
from tests.sim.disk import Disk
from tests.sim.network import Call
from tests.sim.process import Process
from tests.sim.tasks import Tasks

RESTART_S = 0.1
"""What a process takes to start again."""
GAP_S = 0.001
"""The longest that a thread is held up between two steps of a request."""


class ThreadedProcess(Process):
    """The base of the processes that run real shells."""

    disk: Disk | None = None
    """Where its database is, if it has one."""

    def __init__(self, name: str, tasks: Tasks) -> None:
        super().__init__(name, tasks.network)
        self.tasks = tasks

    def session(self) -> AbstractContextManager[None]:
        return super().session() if self.disk is None else self.disk.session()

    def heal_disk(self) -> None:
        super().heal_disk()
        if self.disk is not None:
            self.disk.fault = None

    def crash(self) -> None:
        """Die with all threads, wherever they wait."""
        was_up = self.is_up
        super().crash()
        if was_up:
            self.tasks.kill(self)
        if self.disk is not None:
            self.disk.close()

    def crash_point(self) -> None:
        """Die here, before or after a write of the disk, if the fuse has burnt down."""
        if self.fuse:
            self.fuse -= 1
            if not self.fuse:
                self.network.note(f"{self.name} dies at a write")
                self.tasks.die()

    def receive(self, call: Call, message: object) -> None:
        self.tasks.spawn(self, partial(self._serve, call, message))

    def answer(self, request: object) -> object:
        """Answer a request in a thread of its own. Raises Failure."""
        raise NotImplementedError

    def _serve(self, call: Call, request: object) -> None:
        try:
            answer = self.answer(request)
        except Failure as failure:
            answer = failure
        self.network.answer(call, answer)
