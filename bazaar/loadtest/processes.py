"""The processes of a load run: started, listened to, and always ended."""

import contextlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import msgspec

from bazaar import clock
from bazaar.cluster import exits
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.plan import Command, Plan, Share, Start, Stop
from bazaar.loadtest.tally import Tally
from bazaar.loadtest.worker import READY
from bazaar.protocol.tls import find_ca
from bazaar.settings import env

START_TIMEOUT_S = 30.0
"""Until a process must be ready."""
HEAD_START_S = 0.05
"""From the order to begin until second 0."""
END_TIMEOUT_S = 5.0
"""For a process to end after its last word."""
KEY_PREFIX_BITS = 48
_TALLY = b'{"type":"tally"'
_encoder = msgspec.json.Encoder()
_tallies = msgspec.json.Decoder(Tally)
OnTally = Callable[[Tally], None]
OnLine = Callable[[bytes], None]


class Processes:
    """All processes of one run."""

    def __init__(self, plan: Plan, on_tally: OnTally, on_line: OnLine | None) -> None:
        """
        Start them; they wait for `begin`.

        on_tally, on_line: called from threads, one a process; on_line gets every operation as a
        line, None spares that. Raises CommandFailed.
        """
        prefix = secrets.randbits(KEY_PREFIX_BITS)
        plan = msgspec.structs.replace(plan, ca_path=find_ca())
        is_noting = on_line is not None
        self._on_tally, self._on_line = on_tally, on_line
        self._children = [_start() for _ in range(plan.processes)]
        for number, child in enumerate(self._children):
            share = Share(plan=plan, number=number, key_prefix=prefix, is_noting=is_noting)
            self._tell(child, share)
        self._threads = [
            threading.Thread(target=self._listen, args=(child,), daemon=True)
            for child in self._children
        ]
        self._lock = threading.Lock()
        self.failures: list[str] = []
        """What went wrong in a process, a sentence each."""

    def begin(self) -> float:
        """
        Begin the load; return the monotonic time of second 0.

        Raises CommandFailed.
        """
        for child in self._children:
            self._wait_ready(child)
        origin_s = clock.monotonic_s() + HEAD_START_S
        for child in self._children:
            self._tell(child, Start(origin_s))
        for thread in self._threads:
            thread.start()
        return origin_s

    def stop(self, drain_s: float) -> None:
        """Let nothing more begin; what is under way may take so many seconds."""
        for child in self._children:
            self._tell(child, Stop(drain_s))

    def is_over(self) -> bool:
        """Whether every process has reported everything, or has died."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End them all, and wait."""
        for child in self._children:
            with contextlib.suppress(OSError):
                _pipe(child.stdin).close()
        for child in self._children:
            try:
                child.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for child in self._children:
            _pipe(child.stdout).close()
            _pipe(child.stderr).close()

    def _tell(self, child: subprocess.Popen[bytes], what: Share | Command) -> None:
        with contextlib.suppress(OSError):  # it has ended, which `_listen` notices
            _pipe(child.stdin).write(_encoder.encode(what) + b"\n")
            _pipe(child.stdin).flush()

    def _wait_ready(self, child: subprocess.Popen[bytes]) -> None:
        alarm = threading.Timer(START_TIMEOUT_S, child.kill)
        alarm.start()
        try:
            line = _pipe(child.stdout).readline()
        finally:
            alarm.cancel()
        if line != READY:
            raise CommandFailed(f"A load process did not start: {_last_words(child)}")

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        is_last = False
        for line in _pipe(child.stdout):
            if not line.startswith(_TALLY):
                if self._on_line is not None:
                    self._on_line(line)
                continue
            tally = _tallies.decode(line)
            is_last = tally.is_last
            self._on_tally(tally)
        if not is_last:
            with self._lock:
                self.failures.append(f"A load process was lost: {_last_words(child)}")


def _start() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "bazaar.loadtest.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=env.ROOT,
            start_new_session=True,  # Ctrl-C is for us: we tell them when to end
        )
    except OSError as error:
        raise CommandFailed(
            f"A load process cannot be started: {error.strerror}.", exits.ERRORS
        ) from error


def _last_words(child: subprocess.Popen[bytes]) -> str:
    """Return why a process ended, in one line."""
    lines = _pipe(child.stderr).read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {child.wait()}."


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "all three are pipes"
    return pipe
